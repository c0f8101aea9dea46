"""The process that opens a Parquet file, which a damaged one may end: run as a script.

`forms.parquet_process` runs it with the file's name. It says what the file says of itself, as a
line of JSON; is told the columns and how many rows at once, as another; and answers with these as
Arrow's stream. What it could not read it says last on standard error. It imports nothing of this
package.
"""

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path

from pyarrow import ipc
from pyarrow.parquet import ParquetFile

MEMORY_BYTES = 4 << 30
"""Four times what is asked for at once."""


def main() -> None:
    """Answer on standard output."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    with suppress(OSError, ValueError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (memory, most))  # pages unpack to what they like
    file = ParquetFile(Path(sys.argv[1]))
    groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
    described = (file.schema_arrow.metadata or {}).get(b"huggingface", b"")
    about = {
        "columns": file.schema_arrow.names,
        "rows": file.metadata.num_rows,
        "sizes": [
            g.column(i).total_uncompressed_size for g in groups for i in range(g.num_columns)
        ],
        "described": described.decode(errors="replace"),
    }
    print(json.dumps(about), flush=True)
    columns, rows_at_once = json.loads(sys.stdin.readline())
    writer = None
    for batch in file.iter_batches(rows_at_once, columns=columns):
        writer = writer or ipc.new_stream(sys.stdout.buffer, batch.schema)
        writer.write_batch(batch)
    if writer:
        writer.close()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # of a damaged file anything can come
        said = {"why": str(error) or type(error).__name__, "errno": getattr(error, "errno", None)}
        print(json.dumps(said), file=sys.stderr)
        sys.exit(1)
