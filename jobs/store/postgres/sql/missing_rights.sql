-- Our tables that we may not read and write, their days left out, and the one that only `monarq migrate` writes.
SELECT relname::text
FROM pg_class
WHERE relnamespace = 'monarq'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> 'migrations'
    AND NOT (
        has_schema_privilege(relnamespace, 'USAGE')
        AND has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
        AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')
    )
ORDER BY relname
