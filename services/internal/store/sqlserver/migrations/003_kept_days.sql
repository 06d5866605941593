-- Up to which sequence a counted day's rows rest on the log: its counts are those
-- as of that sequence and every later moment. NULL where they are not kept.
ALTER TABLE dbo.MonitorDay ADD LastSeq BIGINT NULL;
GO
UPDATE d SET LastSeq = c.LastSeq
FROM dbo.MonitorDay d JOIN (
    SELECT s.ScanDate, CASE WHEN COUNT(s.ScanDate) = COUNT(h.Seq) THEN MAX(h.Seq) END AS LastSeq
    FROM dbo.D_Drive_Backup_Stat s
    LEFT JOIN dbo.MonitorStat m ON m.Mode = 'd_drive' AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE Latin1_General_100_BIN2
    LEFT JOIN dbo.MonitorHistory h ON h.Seq = m.Seq AND h.Evidence = m.Evidence AND UPPER(h.Status) = UPPER(s.Status) COLLATE Latin1_General_100_BIN2
    GROUP BY s.ScanDate
) c ON d.Mode = 'd_drive' AND d.ScanDate = c.ScanDate
WHERE d.Counted = 1;
GO
UPDATE d SET LastSeq = c.LastSeq
FROM dbo.MonitorDay d JOIN (
    SELECT s.ScanDate, CASE WHEN COUNT(s.ScanDate) = COUNT(h.Seq) THEN MAX(h.Seq) END AS LastSeq
    FROM dbo.IB_Storage_Backup_Stat s
    LEFT JOIN dbo.MonitorStat m ON m.Mode = 'ib_storage' AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE Latin1_General_100_BIN2
    LEFT JOIN dbo.MonitorHistory h ON h.Seq = m.Seq AND h.Evidence = m.Evidence AND UPPER(h.Status) = UPPER(s.Status) COLLATE Latin1_General_100_BIN2
    GROUP BY s.ScanDate
) c ON d.Mode = 'ib_storage' AND d.ScanDate = c.ScanDate
WHERE d.Counted = 1;
