package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Types of the events, as in ce-type. A new meaning is a new type; an event is
// never changed, only added to.
const (
	TypeScanRequested   = "scan.requested.v1"
	TypeScanStarted     = "scan.started.v1"
	TypeScanCompleted   = "scan.completed.v1"
	TypeProbeCommand    = "probe.command.v1"
	TypeBackupObserved  = "backup.observed.v1"
	TypeOutletChanged   = "outlet.changed.v1"
	TypeSettingsChanged = "settings.changed.v1"
	TypeHistoryImported = "history.imported.v1"

	TypeCredentialChanged = "credential.changed.v1"
	TypeProberChanged     = "prober.changed.v1"
	TypeLogArchived       = "log.archived.v1"
	TypeLogDismissed      = "log.dismissed.v1"
	TypeLogRestored       = "log.restored.v1"

	typeAuditPrefix, typeAuditSuffix = "audit.", ".v1"
)

// Payload is the data of an event: one of the types of this package, by
// value.
type Payload interface {
	// Type is the ce-type.
	Type() string
	// Subject is the NATS subject that the event is published on.
	Subject() string
	// About is the ce-subject: what the event is about.
	About() string
	// id is the ce-id. It is deterministic; data is the encoded payload, for
	// states whose identity is their content.
	id(data []byte) string
}

// Type implements Payload.
func (ScanRequested) Type() string { return TypeScanRequested }

// Subject implements Payload.
func (e ScanRequested) Subject() string { return RequestedSubject(e.ScanID) }

// About implements Payload.
func (e ScanRequested) About() string { return e.ScanID }

func (e ScanRequested) id([]byte) string { return Token(e.ScanID) + ":requested" }

// Type implements Payload.
func (ScanStarted) Type() string { return TypeScanStarted }

// Subject implements Payload.
func (e ScanStarted) Subject() string { return StartedSubject(e.ScanID) }

// About implements Payload.
func (e ScanStarted) About() string { return e.ScanID }

func (e ScanStarted) id([]byte) string { return Token(e.ScanID) + ":started" }

// Type implements Payload.
func (ScanCompleted) Type() string { return TypeScanCompleted }

// Subject implements Payload.
func (e ScanCompleted) Subject() string { return CompletedSubject(e.ScanID) }

// About implements Payload.
func (e ScanCompleted) About() string { return e.ScanID }

func (e ScanCompleted) id([]byte) string { return Token(e.ScanID) + ":completed" }

// Type implements Payload.
func (ProbeCommand) Type() string { return TypeProbeCommand }

// Subject implements Payload.
func (e ProbeCommand) Subject() string { return ProbeSubject(e.Outlet) }

// About implements Payload.
func (e ProbeCommand) About() string { return Key(e.Outlet) }

func (e ProbeCommand) id([]byte) string { return Token(e.ScanID) + ":" + Token(Key(e.Outlet)) }

// Type implements Payload.
func (BackupObserved) Type() string { return TypeBackupObserved }

// Subject implements Payload.
func (e BackupObserved) Subject() string { return ObservedSubject(e.Mode, e.Outlet) }

// About implements Payload.
func (e BackupObserved) About() string { return Key(e.Outlet) }

func (e BackupObserved) id([]byte) string { return LookID(e.ScanID, e.Outlet, e.Mode) }

// Type implements Payload.
func (OutletChanged) Type() string { return TypeOutletChanged }

// Subject implements Payload.
func (e OutletChanged) Subject() string { return OutletSubject(e.Code) }

// About implements Payload.
func (e OutletChanged) About() string { return Key(e.Code) }

func (e OutletChanged) id(data []byte) string {
	return fmt.Sprintf("outlet:%s:%d:%s", Token(Key(e.Code)), e.Previous, digest(data))
}

// Type implements Payload.
func (SettingsChanged) Type() string { return TypeSettingsChanged }

// Subject implements Payload.
func (SettingsChanged) Subject() string { return SubjectSettings }

// About implements Payload.
func (SettingsChanged) About() string { return "settings" }

func (e SettingsChanged) id(data []byte) string {
	return fmt.Sprintf("settings:%d:%s", e.Previous, digest(data))
}

// Type implements Payload.
func (HistoryImported) Type() string { return TypeHistoryImported }

// Subject implements Payload.
func (e HistoryImported) Subject() string { return HistorySubject(e.Mode, e.Outlet) }

// About implements Payload.
func (e HistoryImported) About() string { return Key(e.Outlet) }

func (e HistoryImported) id([]byte) string { return HistoryID(e.Mode, e.Outlet, e.ScanDate) }

// Type implements Payload.
func (CredentialChanged) Type() string { return TypeCredentialChanged }

// Subject implements Payload.
func (e CredentialChanged) Subject() string { return CredentialSubject(e.Account) }

// About implements Payload.
func (e CredentialChanged) About() string { return e.Account }

func (e CredentialChanged) id(data []byte) string {
	return fmt.Sprintf("credential:%s:%d:%s", Token(Key(e.Account)), e.Previous, digest(data))
}

// Type implements Payload.
func (ProberChanged) Type() string { return TypeProberChanged }

// Subject implements Payload.
func (e ProberChanged) Subject() string { return ProberSubject(e.Prober) }

// About implements Payload.
func (e ProberChanged) About() string { return e.Prober }

func (e ProberChanged) id(data []byte) string {
	return fmt.Sprintf("prober:%s:%d:%s", Token(e.Prober), e.ChangedAt.UnixNano(), digest(data))
}

// Type implements Payload.
func (LogArchived) Type() string { return TypeLogArchived }

// Subject implements Payload.
func (LogArchived) Subject() string { return SubjectArchived }

// About implements Payload.
func (LogArchived) About() string { return "log" }

func (e LogArchived) id(data []byte) string {
	return fmt.Sprintf("log:archived:%d:%s", e.Previous, digest(data))
}

// Type implements Payload.
func (LogDismissed) Type() string { return TypeLogDismissed }

// Subject implements Payload.
func (LogDismissed) Subject() string { return SubjectDismissed }

// About implements Payload.
func (LogDismissed) About() string { return "log" }

func (e LogDismissed) id(data []byte) string {
	return fmt.Sprintf("log:dismissed:%d:%s", e.Previous, digest(data))
}

// Type implements Payload.
func (LogRestored) Type() string { return TypeLogRestored }

// Subject implements Payload.
func (LogRestored) Subject() string { return SubjectRestored }

// About implements Payload.
func (LogRestored) About() string { return "log" }

func (e LogRestored) id(data []byte) string {
	return fmt.Sprintf("log:restored:%d:%s", e.ChangedAt.UnixNano(), digest(data))
}

// Type implements Payload.
func (e Audited) Type() string { return typeAuditPrefix + string(e.Kind) + typeAuditSuffix }

// Subject implements Payload.
func (e Audited) Subject() string { return subjectAudit + Token(string(e.Kind)) }

// About implements Payload.
func (e Audited) About() string { return e.Actor }

func (e Audited) id([]byte) string { return "audit:" + Token(e.ID) }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// decodePayload reads data as the payload of ceType. The error wraps
// ErrUnknownType for a type that this version does not know.
func decodePayload(ceType string, data []byte) (Payload, error) {
	switch ceType {
	case TypeScanRequested:
		return decodeAs[ScanRequested](data)
	case TypeScanStarted:
		return decodeAs[ScanStarted](data)
	case TypeScanCompleted:
		return decodeAs[ScanCompleted](data)
	case TypeProbeCommand:
		return decodeAs[ProbeCommand](data)
	case TypeBackupObserved:
		return decodeAs[BackupObserved](data)
	case TypeOutletChanged:
		return decodeAs[OutletChanged](data)
	case TypeSettingsChanged:
		return decodeAs[SettingsChanged](data)
	case TypeHistoryImported:
		return decodeAs[HistoryImported](data)
	case TypeCredentialChanged:
		return decodeAs[CredentialChanged](data)
	case TypeProberChanged:
		return decodeAs[ProberChanged](data)
	case TypeLogArchived:
		return decodeAs[LogArchived](data)
	case TypeLogDismissed:
		return decodeAs[LogDismissed](data)
	case TypeLogRestored:
		return decodeAs[LogRestored](data)
	}
	if strings.HasPrefix(ceType, typeAuditPrefix) && strings.HasSuffix(ceType, typeAuditSuffix) {
		return decodeAs[Audited](data)
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownType, ceType)
}

func decodeAs[T Payload](data []byte) (Payload, error) {
	var p T
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}
