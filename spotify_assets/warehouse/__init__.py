"""The Postgres warehouse: tables, migrations, the embedded server, the IO manager, the mart builder."""
