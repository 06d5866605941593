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

// CredentialState says how far a domain account is trusted to sign in.
type CredentialState string

// The states of a credential. Before the first there is none.
const (
	CredentialTrying  CredentialState = "trying"  // one outlet is asked, alone, or is to be asked next; from RetryAt on by anybody
	CredentialGood    CredentialState = "good"    // an outlet let it in
	CredentialDoubted CredentialState = "doubted" // one outlet refused it: another is asked next, alone
	CredentialTripped CredentialState = "tripped" // refused twice, or locked out where nobody could be asked: nobody is before RetryAt, but once or twice after a restart
)

// CredentialChanged is the full state of the breaker of one domain account,
// which all probers share: too many wrong passwords would lock the account for
// the whole company. It is written expecting the subject's last sequence to be
// Previous, so that of several probers one tries.
type CredentialChanged struct {
	Account string          `json:"account"` // DOMAIN\user; never its password
	State   CredentialState `json:"state"`
	Server  string          `json:"server,omitempty"` // that is asked, or was asked last
	// Failures counts the refusals since the last success.
	Failures int `json:"failures,omitempty"`
	// RefusedBy, NTStatus and Detail are of the last refusal since the last
	// success.
	RefusedBy string `json:"refusedBy,omitempty"` // the server
	NTStatus  string `json:"ntStatus,omitempty"`  // as 0xC000006D; [MS-ERREF] 2.3.1
	Detail    string `json:"detail,omitempty"`    // a sentence for an operator
	// Refusers are the servers that refused since the last success, or since a
	// person asked for a try, the newest first.
	Refusers []string `json:"refusers,omitempty"`
	// FailingSince is when the first of these refusals was.
	FailingSince *time.Time `json:"failingSince,omitempty"`
	// AcceptedBy are servers that let the account in lately, drawn by lot from
	// among them. (Once the last ones, the newest first.)
	AcceptedBy []string `json:"acceptedBy,omitempty"`
	// Contradicted are servers that refused the account while others let it in.
	// What they say of it is not believed before ContradictedUntil.
	Contradicted      []string   `json:"contradicted,omitempty"`
	ContradictedUntil *time.Time `json:"contradictedUntil,omitempty"`
	RetryAt           *time.Time `json:"retryAt,omitempty"` // from when on anybody may try
	// RestartTries counts the tries that restarts of probers have added since
	// the breaker tripped.
	RestartTries int       `json:"restartTries,omitempty"`
	Prober       string    `json:"prober,omitempty"` // that says so
	Previous     uint64    `json:"previous"`
	ChangedBy    string    `json:"changedBy,omitempty"` // a person who asked for a try
	ChangedAt    time.Time `json:"changedAt"`
}

// ProberChanged says that a prober cannot reach any outlet, which is its own
// network's fault, or that it can again. Only the prober itself writes it.
type ProberChanged struct {
	Prober string `json:"prober"` // its name, unique among probers
	Online bool   `json:"online"`
	// Since is when that began. While offline the prober says it again from
	// time to time: a prober that is no more must not count as offline for
	// ever.
	Since time.Time `json:"since"`
	// ValidUntil is until when an offline prober is believed without being
	// heard of again.
	ValidUntil *time.Time `json:"validUntil,omitempty"`
	Tried      int        `json:"tried,omitempty"`  // outlets that did not answer before it said so
	Detail     string     `json:"detail,omitempty"` // a sentence for an operator
	ChangedAt  time.Time  `json:"changedAt"`
}

// AuditKind names what somebody did.
type AuditKind string

// The kinds. What an event is about stands in Object: a user, a scan, an
// outlet, an API token, an account.
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
	CredentialTried  AuditKind = "credential_retried"
	EventDismissed   AuditKind = "event_dismissed"
)

// AuditKinds lists every kind.
func AuditKinds() []AuditKind {
	return []AuditKind{
		SignedIn, SignInFailed, UserChanged, APITokenChanged, ScanAsked, SyncAsked, ScanCancelled,
		OutletEdited, OutletsImported, SettingsReplaced, CredentialTried, EventDismissed,
	}
}

// Who does something and is no user: no user has such an id.
const (
	// ActorCommandLine is who a command is done for, whoever gave it: the operating
	// system knows who that was.
	ActorCommandLine = "command line"
	ActorOutletsFile = "OUTLETS_FILE" // whoever wrote the file that OUTLETS_FILE names
	ActorDatabase    = "database"     // whoever wrote the tables before the log began
)

// Actors lists those who are no users.
func Actors() []string { return []string{ActorCommandLine, ActorOutletsFile, ActorDatabase} }

// Audited says who did what. It never carries a password, hash or token.
type Audited struct {
	ID      string            `json:"id"` // unique
	Kind    AuditKind         `json:"kind"`
	Actor   string            `json:"actor"`             // user id, or ActorCommandLine
	Address string            `json:"address,omitempty"` // of the client
	Object  string            `json:"object,omitempty"`  // what it was done to
	Details map[string]string `json:"details,omitempty"`
	At      time.Time         `json:"at"`
}
