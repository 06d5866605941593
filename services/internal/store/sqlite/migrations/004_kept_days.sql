-- Up to which sequence a counted day's rows rest on the log: its counts are those
-- as of that sequence and every later moment. NULL where they are not kept.
ALTER TABLE MonitorDay ADD COLUMN LastSeq INTEGER;

UPDATE MonitorDay SET LastSeq = (
    SELECT CASE WHEN COUNT(*) = COUNT(h.Seq) THEN MAX(h.Seq) END FROM D_Drive_Backup_Stat s
    LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = 'd_drive' AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
    LEFT JOIN MonitorHistory h ON h.Seq = m.Seq AND h.EventID = m.EventID AND h.Evidence = m.Evidence AND h.Status = s.Status COLLATE NOCASE
    WHERE s.ScanDate = MonitorDay.ScanDate)
WHERE Mode = 'd_drive' AND Counted = 1;

UPDATE MonitorDay SET LastSeq = (
    SELECT CASE WHEN COUNT(*) = COUNT(h.Seq) THEN MAX(h.Seq) END FROM IB_Storage_Backup_Stat s
    LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = 'ib_storage' AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
    LEFT JOIN MonitorHistory h ON h.Seq = m.Seq AND h.EventID = m.EventID AND h.Evidence = m.Evidence AND h.Status = s.Status COLLATE NOCASE
    WHERE s.ScanDate = MonitorDay.ScanDate)
WHERE Mode = 'ib_storage' AND Counted = 1;
