echo "word: $1"
