-- How many rows a day has. Counted 0 says that they have changed since, and
-- are to be counted by whoever asks: all days but the newest are counted here.
CREATE TABLE MonitorDay (
    Mode        TEXT    NOT NULL,
    ScanDate    DATE    NOT NULL,
    Total       INTEGER NOT NULL,
    Successful  INTEGER NOT NULL,
    NotObserved INTEGER NOT NULL,
    Counted     INTEGER NOT NULL,
    PRIMARY KEY (Mode, ScanDate)
) WITHOUT ROWID;
CREATE INDEX MonitorDay_Uncounted ON MonitorDay (Mode, ScanDate) WHERE Counted = 0;

INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
SELECT 'd_drive', s.ScanDate, COUNT(*), COALESCE(SUM(s.Status = 'Successful' COLLATE NOCASE), 0), COALESCE(SUM(m.Evidence = 0), 0),
    s.ScanDate <> (SELECT MAX(ScanDate) FROM D_Drive_Backup_Stat)
FROM D_Drive_Backup_Stat s
LEFT JOIN MonitorStat m ON m.Mode = 'd_drive' AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
GROUP BY s.ScanDate;

INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
SELECT 'ib_storage', s.ScanDate, COUNT(*), COALESCE(SUM(s.Status = 'Successful' COLLATE NOCASE), 0), COALESCE(SUM(m.Evidence = 0), 0),
    s.ScanDate <> (SELECT MAX(ScanDate) FROM IB_Storage_Backup_Stat)
FROM IB_Storage_Backup_Stat s
LEFT JOIN MonitorStat m ON m.Mode = 'ib_storage' AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
GROUP BY s.ScanDate;
