-- The last step that was done here.
SELECT version_num FROM monarq.migrations
