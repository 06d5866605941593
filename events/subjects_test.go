package events

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Every event is on the subjects of its type, also of its own outlet, and on those
// of no other type.
func TestSubjectsOf(t *testing.T) {
	t.Parallel()
	for _, a := range samples() {
		if a.Type() == TypeProbeCommand {
			continue // not in the log
		}
		if !on(a.Subject(), SubjectsOf(a.Type(), "")) || len(SubjectsOf(a.Type(), a.About())) == 0 {
			t.Errorf("%s is on %s, which is not of %v", a.Type(), a.Subject(), SubjectsOf(a.Type(), ""))
		}
		switch a.(type) {
		case BackupObserved, OutletChanged, HistoryImported:
			if !on(a.Subject(), SubjectsOf(a.Type(), strings.ToLower(a.About()))) || on(a.Subject(), SubjectsOf(a.Type(), "another")) {
				t.Errorf("%s of %s is not on %v", a.Type(), a.About(), SubjectsOf(a.Type(), a.About()))
			}
		}
		for _, b := range samples() {
			if b.Type() != a.Type() && on(a.Subject(), SubjectsOf(b.Type(), "")) {
				t.Errorf("%s is on those of %s", a.Subject(), b.Type())
			}
		}
	}
	if s := SubjectsOf("unknown.v1", ""); s != nil {
		t.Errorf("%v", s)
	}
}

// An event is read only where its type is told of: who may write some subjects, as a
// prober, says nothing else there that anybody believes.
func TestEventsOnSubjectsOfOthers(t *testing.T) {
	t.Parallel()
	var subjects []string
	for _, a := range samples() {
		subjects = append(subjects, a.Subject())
	}
	for _, a := range samples() {
		m, err := Encode("/backup-monitor/test", time.Now(), a)
		if err != nil {
			t.Fatal(err)
		}
		for _, subject := range subjects {
			r := Record{Seq: 7, Subject: subject, Header: m.Header, Data: m.Data}
			_, err := r.Decode()
			if own := on(subject, SubjectsOf(a.Type(), "")); own != (err == nil) || !own && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s on %s: %v", a.Type(), subject, err)
			}
		}
	}
}

// What a newer version audits is read as well, among all that is audited.
func TestAuditedOfANewerVersion(t *testing.T) {
	t.Parallel()
	m, err := Encode("/backup-monitor/test", time.Now(), Audited{Kind: "newer", ID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (Record{Seq: 7, Subject: m.Subject, Header: m.Header, Data: m.Data}).Decode(); err != nil {
		t.Error(err)
	}
}
