package store

import (
	"time"

	"backupmonitor/events"
)

// EarlierRow is a row of a stat table as it stands there, whoever wrote it: its
// words may be those of older versions.
type EarlierRow struct {
	Outlet   string
	ScanDate events.Date
	Status   string
	// LastBackupTaken is the time of the table, which has no zone: its clock,
	// read as UTC.
	LastBackupTaken *time.Time
	BackupFile      string
	BackupFileSize  string
	Duration        string
	ErrorDetails    string
	DriveLetter     string
}

// EarlierOutlet is a row of Outlets as it stands there.
type EarlierOutlet struct {
	Code    string
	Address string
	Name    string
	Active  bool
}

// EarlierDay is a scan date of a stat table and how many rows it has. Rows of
// which it is none, as NULL, are all of the day "".
type EarlierDay struct {
	ScanDate events.Date
	Rows     int
}
