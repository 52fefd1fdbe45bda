#!/bin/sh
# archive_command of Postgres: keeps a finished piece of the write-ahead log. archive-wal.sh PATH NAME [FOLDER]
# Succeeds only when the piece lies whole in the folder; Postgres keeps its own copy and asks again until then.
set -eu
piece=$1 name=$2 folder=${3:-/archive/wal}
mkdir -p "$folder"
if [ -e "$folder/$name" ]; then
  # Asked again after a crash: fine if it is the same piece, else never to be written over.
  cmp -s "$piece" "$folder/$name"
  exit
fi
cp "$piece" "$folder/.$name.part"
sync "$folder/.$name.part"
mv "$folder/.$name.part" "$folder/$name"
sync "$folder"
