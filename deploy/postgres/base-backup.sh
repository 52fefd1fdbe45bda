#!/bin/sh
# Makes a base backup whenever the newest one is a week old, and forgets what lies before the older of the last two. With the
# archived log that follows it, a base backup restores the database to any moment since.
#
#   base-backup.sh            stays and does that for ever
#   base-backup.sh --once     makes one now and ends
set -eu
archive=${ARCHIVE:-/archive}
mkdir -p "$archive/base" "$archive/wal"

make_one() {
  name=$(date -u +%Y%m%dT%H%M%SZ)
  rm -rf "$archive"/base/.*.part
  # The log that the copy itself needs comes with it, so that it can be restored without the archive too.
  pg_basebackup --pgdata="$archive/base/.$name.part" --format=tar --gzip --wal-method=fetch --checkpoint=fast
  mv "$archive/base/.$name.part" "$archive/base/$name"
  echo "base backup $name"
  forget_old
}

forget_old() {
  kept=0
  for folder in $(ls -1 "$archive/base" | sort -r); do
    kept=$((kept + 1))
    if [ "$kept" -gt 2 ]; then rm -rf "${archive:?}/base/$folder"; fi
    oldest=$folder
    if [ "$kept" -eq 2 ]; then second=$folder; fi
  done
  # The first piece of log that the oldest kept backup needs stands in its label.
  label=$(tar -xzOf "$archive/base/${second:-$oldest}/base.tar.gz" backup_label)
  first=$(printf '%s\n' "$label" | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p')
  [ -n "$first" ]
  pg_archivecleanup "$archive/wal" "$first"
}

if [ "${1:-}" = --once ]; then
  make_one
  exit
fi
while :; do
  if [ -z "$(find "$archive/base" -mindepth 1 -maxdepth 1 -type d -name '2*' -mtime -7)" ]; then make_one; fi
  sleep 3600
done
