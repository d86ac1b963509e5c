DELETE FROM monarq.rollups WHERE minutes = $1 AND began_at < $2
