package events

import (
	"fmt"
	"slices"
	"strings"
)

// Subjects of the two streams. Tokens made from outlet codes are Token(Key(code)).
const (
	subjectProbe     = "cmd.probe."
	subjectRequested = "ev.scan.requested."
	subjectStarted   = "ev.scan.started."
	subjectCompleted = "ev.scan.completed."
	subjectObserved  = "ev.backup.observed."
	subjectOutlet    = "ev.outlet."
	subjectHistory   = "ev.history."
	subjectAudit     = "ev.audit."
	subjectAccount   = "ev.credential."
	subjectProber    = "ev.prober."
	subjectInbox     = "_INBOX."

	// SubjectSettings holds the one state of schedule and policy.
	SubjectSettings = "ev.settings"

	// SubjectArchived holds the one state of what was taken out of the log.
	SubjectArchived = "ev.log.archived"
	// SubjectDismissed holds the one state of which events are dismissed.
	SubjectDismissed = "ev.log.dismissed"
	// SubjectRestored holds the one state of what the log was restored from.
	SubjectRestored = "ev.log.restored"

	// Filters for readers.
	AllEvents    = "ev.>"
	AllRequested = subjectRequested + ">"
	AllScans     = "ev.scan.>"
	AllBackups   = "ev.backup.>"
	AllObserved  = subjectObserved + ">"
	AllOutlets   = subjectOutlet + ">"
	AllHistory   = subjectHistory + ">"
	AllAudit     = subjectAudit + ">"

	AllCredentials = subjectAccount + ">"
	AllProbers     = subjectProber + ">"
)

// ProbeSubject is where the command for an outlet waits.
func ProbeSubject(outlet string) string { return subjectProbe + Token(Key(outlet)) }

// ObservedSubject holds the looks at an outlet in one mode.
func ObservedSubject(m Mode, outlet string) string {
	return subjectObserved + string(m) + "." + Token(Key(outlet))
}

// ObservedOf is a filter for all looks in one mode.
func ObservedOf(m Mode) string { return subjectObserved + string(m) + ".>" }

// OutletSubject holds the states of an outlet.
func OutletSubject(outlet string) string { return subjectOutlet + Token(Key(outlet)) }

// HistorySubject holds an outlet's imported rows in one mode.
func HistorySubject(m Mode, outlet string) string {
	return subjectHistory + string(m) + "." + Token(Key(outlet))
}

// CredentialSubject holds the states of a domain account, DOMAIN\user, in any
// case.
func CredentialSubject(account string) string { return subjectAccount + Token(Key(account)) }

// ProberSubject holds the states of a prober.
func ProberSubject(name string) string { return subjectProber + Token(name) }

// SubjectsOf are filters for the events of a type, those about one outlet where
// it is not "" and the type is about outlets; none for a type that is not known.
// Those of different types do not overlap.
func SubjectsOf(ceType, outlet string) []string {
	ofModes := func(all string, of func(Mode, string) string) (subjects []string) {
		if outlet == "" {
			return []string{all}
		}
		for _, m := range Modes() {
			subjects = append(subjects, of(m, outlet))
		}
		return subjects
	}
	switch ceType {
	case TypeScanRequested:
		return []string{AllRequested}
	case TypeScanStarted:
		return []string{subjectStarted + ">"}
	case TypeScanCompleted:
		return []string{subjectCompleted + ">"}
	case TypeBackupObserved:
		return ofModes(AllObserved, ObservedSubject)
	case TypeHistoryImported:
		return ofModes(AllHistory, HistorySubject)
	case TypeOutletChanged:
		if outlet != "" {
			return []string{OutletSubject(outlet)}
		}
		return []string{AllOutlets}
	case TypeSettingsChanged:
		return []string{SubjectSettings}
	case TypeCredentialChanged:
		return []string{AllCredentials}
	case TypeProberChanged:
		return []string{AllProbers}
	case TypeLogArchived:
		return []string{SubjectArchived}
	case TypeLogDismissed:
		return []string{SubjectDismissed}
	case TypeLogRestored:
		return []string{SubjectRestored}
	}
	for _, k := range AuditKinds() {
		if a := (Audited{Kind: k}); a.Type() == ceType {
			return []string{a.Subject()}
		}
	}
	return nil
}

// tellsOf tells whether events of a type stand on a subject, in the log. Of what is
// audited a newer version may have more kinds.
func tellsOf(subject string, p Payload) bool {
	if _, ok := p.(Audited); ok {
		return strings.HasPrefix(subject, subjectAudit)
	}
	return on(subject, SubjectsOf(p.Type(), ""))
}

// on tells whether a subject is of one of the filters of SubjectsOf.
func on(subject string, filters []string) bool {
	return slices.ContainsFunc(filters, func(filter string) bool {
		prefix, all := strings.CutSuffix(filter, ">")
		return subject == filter || all && strings.HasPrefix(subject, prefix)
	})
}

// RequestedSubject holds a scan's ScanRequested.
func RequestedSubject(scanID string) string { return subjectRequested + Token(scanID) }

// StartedSubject holds a scan's ScanStarted.
func StartedSubject(scanID string) string { return subjectStarted + Token(scanID) }

// CompletedSubject holds a scan's ScanCompleted.
func CompletedSubject(scanID string) string { return subjectCompleted + Token(scanID) }

// LookID is the ce-id of the one event that a command ends in for a mode.
func LookID(scanID, outlet string, m Mode) string {
	return Token(scanID) + ":" + Token(Key(outlet)) + ":" + string(m)
}

// HistoryID is the ce-id of the one event of a row from before the log.
func HistoryID(m Mode, outlet string, d Date) string {
	return fmt.Sprintf("history:%s:%s:%s", m, Token(Key(outlet)), d)
}
