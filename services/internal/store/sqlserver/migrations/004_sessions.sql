-- Which sessions are a user's: those of the epoch. It is another one after each
-- end of them all; without a row there has been none.
CREATE TABLE dbo.MonitorUserEpoch (
    UserID NVARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    Epoch  NVARCHAR(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT PK_MonitorUserEpoch PRIMARY KEY CLUSTERED (UserID)
);
