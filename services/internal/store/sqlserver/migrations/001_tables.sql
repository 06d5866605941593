-- The tables of the original system. One that is there already is used as it is.
-- Where a table is new, codes and ids compare exactly: which spellings are one
-- outlet is for the program to say, see events.Key.
IF OBJECT_ID('dbo.D_Drive_Backup_Stat') IS NULL
CREATE TABLE dbo.D_Drive_Backup_Stat (
    OutletServer    NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL,
    ScanDate        DATE          NOT NULL,
    Status          NVARCHAR(50)  NULL,
    LastBackupTaken DATETIME      NULL,
    BackupFile      NVARCHAR(255) NULL,
    BackupFileSize  NVARCHAR(50)  NULL,
    Duration        NVARCHAR(50)  NULL,
    ErrorDetails    NVARCHAR(500) NULL,
    CONSTRAINT PK_D_Drive_Backup_Stat PRIMARY KEY CLUSTERED (OutletServer, ScanDate)
);
GO
IF OBJECT_ID('dbo.IB_Storage_Backup_Stat') IS NULL
CREATE TABLE dbo.IB_Storage_Backup_Stat (
    OutletServer    NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL,
    ScanDate        DATE          NOT NULL,
    Status          NVARCHAR(50)  NULL,
    LastBackupTaken DATETIME      NULL,
    BackupFile      NVARCHAR(255) NULL,
    BackupFileSize  NVARCHAR(50)  NULL,
    Duration        NVARCHAR(50)  NULL,
    ErrorDetails    NVARCHAR(500) NULL,
    DriveLetter     NVARCHAR(10)  NULL,
    CONSTRAINT PK_IB_Storage_Backup_Stat PRIMARY KEY CLUSTERED (OutletServer, ScanDate)
);
GO
IF OBJECT_ID('dbo.UserManager') IS NULL
CREATE TABLE dbo.UserManager (
    UserID            NVARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    UserName          NVARCHAR(100) NULL,
    Designation       NVARCHAR(100) NULL,
    UserType          CHAR(1)       NULL,
    Password          NVARCHAR(255) NULL,
    Status            CHAR(1)       NULL,
    Avatar            NVARCHAR(255) NULL,
    LoginFalseAttempt INT           NULL,
    LoginActiveTime   DATETIME      NULL,
    CONSTRAINT PK_UserManager PRIMARY KEY CLUSTERED (UserID)
);
GO
IF OBJECT_ID('dbo.Outlets') IS NULL
CREATE TABLE dbo.Outlets (
    OutletCode  NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL,
    IPAddress   NVARCHAR(255) NULL,
    OutletName  NVARCHAR(255) NULL,
    ActiveDepot CHAR(1)       NULL,
    CONSTRAINT PK_Outlets PRIMARY KEY CLUSTERED (OutletCode)
);
GO
-- One day's rows, and which days there are, without reading the table.
CREATE INDEX D_Drive_Backup_Stat_ByDate ON dbo.D_Drive_Backup_Stat (ScanDate, OutletServer) INCLUDE (Status);
GO
CREATE INDEX IB_Storage_Backup_Stat_ByDate ON dbo.IB_Storage_Backup_Stat (ScanDate, OutletServer) INCLUDE (Status);
GO
-- Ours. A key is the code or id as events.Key writes it. OutletServer,
-- OutletCode and UserID lead to the row beside which ours stands.
CREATE TABLE dbo.MonitorStat (
    Mode         NVARCHAR(20)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    ScanDate     DATE          NOT NULL,
    OutletKey    NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    OutletServer NVARCHAR(50)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    EventID      NVARCHAR(MAX) NOT NULL, -- empty: a row from before the log
    Seq          BIGINT        NOT NULL,
    Stored       DATETIME2(6)  NULL,
    Evidence     INT           NOT NULL,
    Cause        NVARCHAR(50)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    Conclusive   BIT           NOT NULL,
    Server       NVARCHAR(255) NULL,
    SizeBytes    BIGINT        NULL,
    ObservedAt   DATETIME2(6)  NULL,
    DurationMS   FLOAT         NULL,
    ClockSkewMS  FLOAT         NULL,
    FreeBytes    BIGINT        NULL,
    TotalBytes   BIGINT        NULL,
    ScanID       NVARCHAR(255) NULL,
    CONSTRAINT PK_MonitorStat PRIMARY KEY CLUSTERED (Mode, ScanDate, OutletKey)
);
GO
CREATE INDEX MonitorStat_ByRow ON dbo.MonitorStat (Mode, ScanDate, OutletServer) INCLUDE (Evidence);
GO
CREATE INDEX MonitorStat_ByOutlet ON dbo.MonitorStat (Mode, OutletKey, ScanDate) INCLUDE (OutletServer);
GO
-- A ce-id may be longer than an index takes: the first half of its SHA-256, in
-- hexadecimal, makes it unique.
CREATE TABLE dbo.MonitorHistory (
    Seq             BIGINT        NOT NULL,
    EventHash       NVARCHAR(32)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    EventID         NVARCHAR(MAX) NOT NULL,
    Stored          DATETIME2(6)  NOT NULL,
    Mode            NVARCHAR(20)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    OutletKey       NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    OutletServer    NVARCHAR(50)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    ScanDate        DATE          NOT NULL,
    Status          NVARCHAR(50)  NOT NULL,
    Cause           NVARCHAR(50)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    Conclusive      BIT           NOT NULL,
    Evidence        INT           NOT NULL,
    LastBackupTaken DATETIME2(0)  NULL,
    BackupFile      NVARCHAR(255) NULL,
    BackupFileSize  NVARCHAR(50)  NULL,
    Duration        NVARCHAR(50)  NULL,
    ErrorDetails    NVARCHAR(500) NULL,
    DriveLetter     NVARCHAR(10)  NULL,
    Server          NVARCHAR(255) NULL,
    SizeBytes       BIGINT        NULL,
    ObservedAt      DATETIME2(6)  NULL,
    DurationMS      FLOAT         NULL,
    ClockSkewMS     FLOAT         NULL,
    FreeBytes       BIGINT        NULL,
    TotalBytes      BIGINT        NULL,
    ScanID          NVARCHAR(255) NULL,
    CONSTRAINT PK_MonitorHistory PRIMARY KEY CLUSTERED (Seq),
    CONSTRAINT UQ_MonitorHistory_Event UNIQUE (EventHash)
);
GO
-- Finds the day's row as of any sequence.
CREATE INDEX MonitorHistory_ByDay ON dbo.MonitorHistory (Mode, ScanDate, OutletKey, Evidence, Seq);
GO
CREATE INDEX MonitorHistory_ByOutlet ON dbo.MonitorHistory (Mode, OutletKey, Seq);
GO
-- How many rows a day has. Counted 0 says that they have changed since, and
-- are to be counted by whoever asks.
CREATE TABLE dbo.MonitorDay (
    Mode        NVARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    ScanDate    DATE NOT NULL,
    Total       INT  NOT NULL,
    Successful  INT  NOT NULL,
    NotObserved INT  NOT NULL,
    Counted     BIT  NOT NULL,
    CONSTRAINT PK_MonitorDay PRIMARY KEY CLUSTERED (Mode, ScanDate)
);
GO
CREATE INDEX MonitorDay_Counted ON dbo.MonitorDay (Mode, Counted, ScanDate);
GO
CREATE TABLE dbo.MonitorOutlet (
    OutletKey     NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    OutletCode    NVARCHAR(50)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    OutletGroup   NVARCHAR(255) NULL,
    PausedUntil   DATETIME2(6)  NULL,
    MaxAgeSeconds BIGINT        NULL,
    Source        NVARCHAR(50)  NOT NULL,
    Seq           BIGINT        NOT NULL,
    CONSTRAINT PK_MonitorOutlet PRIMARY KEY CLUSTERED (OutletKey)
);
GO
CREATE INDEX MonitorOutlet_ByCode ON dbo.MonitorOutlet (OutletCode);
GO
CREATE TABLE dbo.MonitorUser (
    UserKey NVARCHAR(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    UserID  NVARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT PK_MonitorUser PRIMARY KEY CLUSTERED (UserKey)
);
GO
CREATE TABLE dbo.MonitorCheckpoint (
    ID     INT NOT NULL,
    Stream NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    Seq    BIGINT NOT NULL,
    CONSTRAINT PK_MonitorCheckpoint PRIMARY KEY CLUSTERED (ID),
    CONSTRAINT CK_MonitorCheckpoint CHECK (ID = 1)
);
GO
CREATE TABLE dbo.MonitorQuarantine (
    Seq     BIGINT         NOT NULL,
    Subject NVARCHAR(MAX)  NOT NULL,
    Type    NVARCHAR(MAX)  NOT NULL,
    Stored  DATETIME2(6)   NOT NULL,
    Reason  NVARCHAR(MAX)  NOT NULL,
    Header  VARBINARY(MAX) NULL,
    Data    VARBINARY(MAX) NULL,
    CONSTRAINT PK_MonitorQuarantine PRIMARY KEY CLUSTERED (Seq)
);
