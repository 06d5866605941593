-- Which sessions are a user's: those of the epoch. It is another one after each
-- end of them all; without a row there has been none.
CREATE TABLE MonitorUserEpoch (
    UserID TEXT NOT NULL PRIMARY KEY,
    Epoch  TEXT NOT NULL
) WITHOUT ROWID;
