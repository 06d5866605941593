-- Tokens for programs. The token itself is kept nowhere.
CREATE TABLE MonitorAPIToken (
    TokenID      TEXT NOT NULL PRIMARY KEY,
    Name         TEXT NOT NULL,
    Scope        TEXT NOT NULL,
    Hash         TEXT NOT NULL,
    CreatedBy    TEXT NOT NULL,
    CreatedAt    TEXT NOT NULL,
    ExpiresAt    TEXT,
    RevokedAt    TEXT,
    LastUsedAt   TEXT,
    LastUsedFrom TEXT
) WITHOUT ROWID;

-- Audit events on their way to the log. Num is their order.
CREATE TABLE MonitorOutbox (
    Num    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    NoteID TEXT    NOT NULL UNIQUE,
    Due    TEXT    NOT NULL,
    Data   TEXT    NOT NULL
);
