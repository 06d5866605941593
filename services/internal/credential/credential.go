// Package credential keeps the state of each domain account in the log, as the
// probers' breaker shares it and as people see it.
package credential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
)

// Entry is the last state of an account; before the first, one without a Seq.
type Entry struct {
	events.CredentialChanged
	Seq    uint64    // in the log
	Stored time.Time // by the log, UTC
}

// Read is the state of an account, DOMAIN\\user in any case.
func Read(ctx context.Context, log *events.Log, account string) (Entry, error) {
	s := Entry{CredentialChanged: events.CredentialChanged{Account: account}}
	r, err := log.Last(ctx, events.CredentialSubject(account))
	if errors.Is(err, events.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return decode(r)
}

// All lists the states of all accounts that were ever used, by name.
func All(ctx context.Context, log *events.Log) ([]Entry, error) {
	var all []Entry
	for r, err := range log.Read(ctx, events.FeedOptions{LastPerSubject: true, Subjects: []string{events.AllCredentials}}) {
		if err != nil {
			return nil, err
		}
		s, err := decode(r)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(events.Key(a.Account), events.Key(b.Account)) })
	return all, nil
}

func decode(r events.Record) (Entry, error) {
	e, err := r.Decode()
	if err != nil {
		return Entry{}, err
	}
	c, ok := e.Data.(events.CredentialChanged)
	if !ok {
		return Entry{}, fmt.Errorf("%w: a %s is no state of an account", events.ErrMalformed, e.Data.Type())
	}
	return Entry{CredentialChanged: c, Seq: r.Seq, Stored: r.Stored}, nil
}

// Write stores the state that follows old. Errors: events.ErrConflict where
// another one does already, or the log's.
func Write(ctx context.Context, log *events.Log, old Entry, next events.CredentialChanged, now time.Time) error {
	next.Previous, next.ChangedAt = old.Seq, now.UTC()
	_, err := log.Write(ctx, next, old.Seq)
	return err
}

// Retry lets an account be tried at once, whatever was said of it. One refusal
// is enough then to pause it again. by is who asked for it. Errors: events.ErrNotFound where the account was never used,
// or the log's.
func Retry(ctx context.Context, log *events.Log, account, by string, now time.Time) error {
	for {
		s, err := Read(ctx, log, account)
		if err != nil {
			return err
		}
		if s.Seq == 0 {
			return fmt.Errorf("account %s: %w", account, events.ErrNotFound)
		}
		next, at := s.CredentialChanged, now.UTC()
		next.State, next.Failures, next.RetryAt = events.CredentialTrying, min(s.Failures, 1), &at
		next.Server, next.Prober, next.ChangedBy = "", "", by
		next.RefusedBy, next.Refusers = "", nil // they may be asked again, too
		err = Write(ctx, log, s, next, now)
		if !errors.Is(err, events.ErrConflict) {
			return err
		}
	}
}
