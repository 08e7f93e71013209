"""``hutchbatch doctor``: could jobs run here?"""
