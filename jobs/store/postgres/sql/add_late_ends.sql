INSERT INTO monarq.late_ends (began_at) SELECT unnest($1::timestamptz[])
