-- Tokens for programs. The token itself is kept nowhere.
CREATE TABLE dbo.MonitorAPIToken (
    TokenID      NVARCHAR(40)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    Name         NVARCHAR(100) NOT NULL,
    Scope        NVARCHAR(20)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    Hash         NVARCHAR(64)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    CreatedBy    NVARCHAR(20)  COLLATE Latin1_General_100_BIN2 NOT NULL,
    CreatedAt    DATETIME2(6)  NOT NULL,
    ExpiresAt    DATETIME2(6)  NULL,
    RevokedAt    DATETIME2(6)  NULL,
    LastUsedAt   DATETIME2(6)  NULL,
    LastUsedFrom NVARCHAR(64)  NULL,
    CONSTRAINT PK_MonitorAPIToken PRIMARY KEY CLUSTERED (TokenID)
);
GO
-- Audit events on their way to the log. Num is their order.
CREATE TABLE dbo.MonitorOutbox (
    Num    BIGINT IDENTITY(1, 1) NOT NULL,
    NoteID NVARCHAR(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
    Due    DATETIME2(6)  NOT NULL,
    Data   NVARCHAR(MAX) NOT NULL,
    CONSTRAINT PK_MonitorOutbox PRIMARY KEY CLUSTERED (Num),
    CONSTRAINT UQ_MonitorOutbox_Note UNIQUE (NoteID)
);
