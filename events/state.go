package events

import "time"

// Where an outlet's registration comes from.
const (
	SourceFile = "file" // OUTLETS_FILE: read-only elsewhere until it leaves the file
	SourceUser = "user" // a person, through the API or the command line
	SourceDB   = "db"   // adopted from an existing database
)

// OutletChanged is the full state of one outlet. It is written expecting the
// subject's last sequence to be Previous, so that no change is lost.
type OutletChanged struct {
	Code          string     `json:"code"`
	Address       string     `json:"address"` // IP address or host name, with :port where it is not SMB_PORT
	Name          string     `json:"name,omitempty"`
	Group         string     `json:"group,omitempty"`
	Active        bool       `json:"active"`
	PausedUntil   *time.Time `json:"pausedUntil,omitempty"` // full scans leave the outlet out until then
	MaxAgeSeconds *int64     `json:"maxAgeSeconds,omitempty"`
	Source        string     `json:"source"`
	Previous      uint64     `json:"previous"`
	ChangedBy     string     `json:"changedBy,omitempty"`
	ChangedAt     time.Time  `json:"changedAt"`
}

// Schedule says when full scans of both modes start by themselves, in TZ.
type Schedule struct {
	IntervalSeconds int64  `json:"intervalSeconds"` // 0: never
	From            string `json:"from"`            // HH:MM, first minute of the active hours
	To              string `json:"to"`              // HH:MM, end of the active hours; 24:00 is midnight
	Days            []int  `json:"days"`            // 0 Sunday to 6 Saturday
}

// SettingsChanged is the full state of schedule and policy. The environment
// gives only the first state.
type SettingsChanged struct {
	Schedule  Schedule  `json:"schedule"`
	Policy    Policy    `json:"policy"`
	Previous  uint64    `json:"previous"`
	ChangedBy string    `json:"changedBy,omitempty"`
	ChangedAt time.Time `json:"changedAt"`
}

// HistoryImported is a row that was in the database before the log began. The
// texts are the database's own.
type HistoryImported struct {
	Outlet          string     `json:"outlet"`
	Mode            Mode       `json:"mode"`
	ScanDate        Date       `json:"scanDate"`
	Status          Status     `json:"status"`
	LastBackupTaken *time.Time `json:"lastBackupTaken,omitempty"`
	BackupFile      string     `json:"backupFile,omitempty"`
	BackupFileSize  string     `json:"backupFileSize,omitempty"`
	Duration        string     `json:"duration,omitempty"`
	ErrorDetails    string     `json:"errorDetails,omitempty"`
	DriveLetter     string     `json:"driveLetter,omitempty"`
	ImportedAt      time.Time  `json:"importedAt"`
}

// AuditKind names what somebody did.
type AuditKind string

// The kinds. What an event is about stands in Object: a user, a scan, an
// outlet, an API token.
const (
	SignedIn         AuditKind = "signed_in"
	SignInFailed     AuditKind = "sign_in_failed"
	UserChanged      AuditKind = "user_changed"
	APITokenChanged  AuditKind = "api_token_changed"
	ScanAsked        AuditKind = "scan_requested"
	SyncAsked        AuditKind = "sync_requested"
	ScanCancelled    AuditKind = "scan_cancelled"
	OutletEdited     AuditKind = "outlet_changed"
	OutletsImported  AuditKind = "outlets_imported"
	SettingsReplaced AuditKind = "settings_changed"
)

// AuditKinds lists every kind.
func AuditKinds() []AuditKind {
	return []AuditKind{
		SignedIn, SignInFailed, UserChanged, APITokenChanged, ScanAsked, SyncAsked, ScanCancelled,
		OutletEdited, OutletsImported, SettingsReplaced,
	}
}

// Audited says who did what. It never carries a password, hash or token.
type Audited struct {
	ID      string            `json:"id"` // unique
	Kind    AuditKind         `json:"kind"`
	Actor   string            `json:"actor"`             // user id
	Address string            `json:"address,omitempty"` // of the client
	Object  string            `json:"object,omitempty"`  // what it was done to
	Details map[string]string `json:"details,omitempty"`
	At      time.Time         `json:"at"`
}
