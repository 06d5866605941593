-- The tables of the original system. One that is there already is used as it is.
CREATE TABLE IF NOT EXISTS D_Drive_Backup_Stat (
    OutletServer    NVARCHAR(50)  NOT NULL,
    ScanDate        DATE          NOT NULL,
    Status          NVARCHAR(50),
    LastBackupTaken DATETIME,
    BackupFile      NVARCHAR(255),
    BackupFileSize  NVARCHAR(50),
    Duration        NVARCHAR(50),
    ErrorDetails    NVARCHAR(500),
    PRIMARY KEY (OutletServer, ScanDate)
);

CREATE TABLE IF NOT EXISTS IB_Storage_Backup_Stat (
    OutletServer    NVARCHAR(50)  NOT NULL,
    ScanDate        DATE          NOT NULL,
    Status          NVARCHAR(50),
    LastBackupTaken DATETIME,
    BackupFile      NVARCHAR(255),
    BackupFileSize  NVARCHAR(50),
    Duration        NVARCHAR(50),
    ErrorDetails    NVARCHAR(500),
    DriveLetter     NVARCHAR(10),
    PRIMARY KEY (OutletServer, ScanDate)
);

CREATE TABLE IF NOT EXISTS UserManager (
    UserID            NVARCHAR(20)  NOT NULL PRIMARY KEY,
    UserName          NVARCHAR(100),
    Designation       NVARCHAR(100),
    UserType          CHAR(1),
    Password          NVARCHAR(255),
    Status            CHAR(1),
    Avatar            NVARCHAR(255),
    LoginFalseAttempt INT,
    LoginActiveTime   DATETIME
);

CREATE TABLE IF NOT EXISTS Outlets (
    OutletCode  NVARCHAR(50) NOT NULL PRIMARY KEY,
    IPAddress   NVARCHAR(255),
    OutletName  NVARCHAR(255),
    ActiveDepot CHAR(1)
);

-- In the order in which the rows are listed, so that a page needs no sorting.
CREATE INDEX D_Drive_Backup_Stat_ByDate
    ON D_Drive_Backup_Stat (ScanDate DESC, OutletServer COLLATE NOCASE, OutletServer);
CREATE INDEX IB_Storage_Backup_Stat_ByDate
    ON IB_Storage_Backup_Stat (ScanDate DESC, OutletServer COLLATE NOCASE, OutletServer);

-- Ours. A key is the code or id as events.Key writes it: NOCASE knows only
-- the letters of ASCII. OutletServer, OutletCode and UserID lead to the row
-- beside which ours stands.
CREATE TABLE MonitorStat (
    Mode         TEXT    NOT NULL,
    OutletKey    TEXT    NOT NULL,
    ScanDate     DATE    NOT NULL, -- the type of the rows beside: the index serves no other
    OutletServer TEXT    NOT NULL,
    EventID      TEXT    NOT NULL, -- empty: a row from before the log
    Seq          INTEGER NOT NULL,
    Stored       TEXT,
    Evidence     INTEGER NOT NULL,
    Cause        TEXT    NOT NULL,
    Conclusive   INTEGER NOT NULL,
    Server       TEXT,
    SizeBytes    INTEGER,
    ObservedAt   TEXT,
    DurationMS   REAL,
    ClockSkewMS  REAL,
    FreeBytes    INTEGER,
    TotalBytes   INTEGER,
    ScanID       TEXT,
    PRIMARY KEY (Mode, OutletKey, ScanDate)
) WITHOUT ROWID;
CREATE INDEX MonitorStat_ByRow ON MonitorStat (Mode, OutletServer, ScanDate, Evidence);

CREATE TABLE MonitorHistory (
    Seq             INTEGER NOT NULL PRIMARY KEY,
    EventID         TEXT    NOT NULL UNIQUE,
    Stored          TEXT    NOT NULL,
    Mode            TEXT    NOT NULL,
    OutletKey       TEXT    NOT NULL,
    OutletServer    TEXT    NOT NULL,
    ScanDate        TEXT    NOT NULL,
    Status          TEXT    NOT NULL,
    Cause           TEXT    NOT NULL,
    Conclusive      INTEGER NOT NULL,
    Evidence        INTEGER NOT NULL,
    LastBackupTaken TEXT,
    BackupFile      TEXT,
    BackupFileSize  TEXT,
    Duration        TEXT,
    ErrorDetails    TEXT,
    DriveLetter     TEXT,
    Server          TEXT,
    SizeBytes       INTEGER,
    ObservedAt      TEXT,
    DurationMS      REAL,
    ClockSkewMS     REAL,
    FreeBytes       INTEGER,
    TotalBytes      INTEGER,
    ScanID          TEXT
);
-- Finds the day's row as of any sequence.
CREATE INDEX MonitorHistory_ByDay ON MonitorHistory (Mode, ScanDate, OutletKey, Evidence, Seq);

CREATE TABLE MonitorOutlet (
    OutletKey     TEXT    NOT NULL PRIMARY KEY,
    OutletCode    TEXT    NOT NULL,
    OutletGroup   TEXT,
    PausedUntil   TEXT,
    MaxAgeSeconds INTEGER,
    Source        TEXT    NOT NULL,
    Seq           INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX MonitorOutlet_ByCode ON MonitorOutlet (OutletCode);

CREATE TABLE MonitorUser (
    UserKey TEXT NOT NULL PRIMARY KEY,
    UserID  TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE MonitorCheckpoint (
    ID     INTEGER NOT NULL PRIMARY KEY CHECK (ID = 1),
    Stream TEXT    NOT NULL,
    Seq    INTEGER NOT NULL
);

CREATE TABLE MonitorQuarantine (
    Seq     INTEGER NOT NULL PRIMARY KEY,
    Subject TEXT    NOT NULL,
    Type    TEXT    NOT NULL,
    Stored  TEXT    NOT NULL,
    Reason  TEXT    NOT NULL,
    Header  BLOB,
    Data    BLOB
);
