package rebuild

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
)

// Finding is something that is not as it must be, and what to do about it, in
// words for an operator.
type Finding struct {
	What string `json:"what"`
	Do   string `json:"do"`
}

// Checked is what Check has found.
type Checked struct {
	Log        string    `json:"log"` // identity
	Created    time.Time `json:"created"`
	Events     uint64    `json:"events"` // last sequence
	Bytes      uint64    `json:"bytes"`
	Checkpoint uint64    `json:"checkpoint"`
	Findings   []Finding `json:"findings"`
	// Compared is the comparison of the tables with the log, nil where there
	// could be none.
	Compared *Report `json:"compared,omitempty"`
}

// DoMend is what an operator can do about events that could not be stored.
const DoMend = "Mend the column, then run `backup-monitor quarantine retry`: it says which of them the tables take by now, and puts those in. `backup-monitor rebuild` leaves them."

// What else an operator can do.
const (
	doRestore = "Restore the log from a backup. Until then nothing new is projected; what the tables show stays readable."
	doArchive = "Put a good copy of that archive into ARCHIVE_DIR (`backup-monitor backup verify` tells whether one is good). Until then the tables can be neither compared nor made anew; what they show stays readable."
	doRebuild = "Run `backup-monitor rebuild`: it puts right what is missing or different, and nothing else."
	doUnknown = "They stay as they are: they are from before the log, or another program wrote them. If they are to be kept for good, import them into the log with `backup-monitor import-history --from` this database; if not, delete them by hand."
	doForeign = "Either the log was replaced, then restore the right one from a backup; or the database was: point DATA_DIR or DB_DATABASE at the one that belongs to this log, or at an empty one, which is then made from this log (its users are not in the log)."
)

// Check compares log, checkpoint, history and tables, and changes nothing.
// What it finds is in its result; its error says that it could not look.
func Check(ctx context.Context, log Log, db store.Rebuilder, progress Progress) (Checked, error) {
	id, lerr := log.Identity(ctx)
	at, err := db.Checkpoint(ctx)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{Log: id.ID(), Created: id.Created, Events: id.LastSeq, Bytes: id.Bytes, Checkpoint: at.Seq, Findings: []Finding{}}
	if lerr != nil && !c.unreadable(lerr) {
		return Checked{}, lerr
	}
	if err := c.logAndCheckpoint(ctx, log, id, at); err != nil {
		return Checked{}, err
	}
	if len(c.Findings) > 0 {
		return c, nil // no fold of such a log is worth a comparison
	}
	r, err := Run(ctx, log, db, true, progress)
	if err != nil {
		if c.unreadable(err) {
			err = nil
		}
		return c, err
	}
	c.Compared, c.Checkpoint = &r, r.Checkpoint
	c.tables(r)
	// What lies behind the checkpoint was not folded, but must be there.
	err = log.Read(ctx, r.Checkpoint+1, id.LastSeq, func(events.Record) error { return nil })
	if err != nil && c.unreadable(err) {
		err = nil
	}
	return c, err
}

func (c *Checked) add(what, do string) { c.Findings = append(c.Findings, Finding{what, do}) }

func (c *Checked) logAndCheckpoint(ctx context.Context, log Log, id events.Identity, at store.Checkpoint) error {
	if id.FirstSeq > 1 {
		c.add(fmt.Sprintf("The log begins at event %d: those before are gone.", id.FirstSeq), doRestore)
	}
	if id.Missing > 0 {
		c.add(fmt.Sprintf("%d of the events from %d to %d are missing in the log, from which nothing is ever deleted: its files are damaged.",
			id.Missing, id.FirstSeq, id.LastSeq), doRestore)
	}
	switch err := belongs(ctx, log, at, id); {
	case errors.Is(err, ErrForeign):
		c.add(sentence(err), doForeign)
	case err != nil:
		return err
	}
	return nil
}

// sentence is an error as a sentence of its own.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// unreadable makes a finding of an error that says that the log, or an archive
// of it, cannot be read. Every other error is none: false.
func (c *Checked) unreadable(err error) bool {
	switch {
	case errors.Is(err, logfile.ErrNoArchive):
		c.add(sentence(err), doArchive)
	case errors.Is(err, logfile.ErrDamaged):
		c.add(fmt.Sprintf("An archive of the log cannot be used: %v.", err), doArchive)
	case errors.Is(err, logfile.ErrIncomplete), errors.Is(err, events.ErrStalled):
		c.add(fmt.Sprintf("The log cannot be read to its end: %v.", err), doRestore)
	default:
		return false
	}
	return true
}

func (c *Checked) tables(r Report) {
	for _, t := range r.Tables {
		if t.Name == TableQuarantine {
			continue
		}
		if t.Missing > 0 {
			c.add(fmt.Sprintf("%s lacks %d rows that the log says (as %s).", t.Name, t.Missing, example(t, KindMissing)), doRebuild)
		}
		if t.Different > 0 {
			c.add(fmt.Sprintf("%s has %d rows that are not as the log says (as %s).", t.Name, t.Different, example(t, KindDifferent)), doRebuild)
		}
		if t.Unknown > 0 {
			c.add(fmt.Sprintf("%s has %d rows that the log does not know (as %s).", t.Name, t.Unknown, example(t, KindUnknown)), doUnknown)
		}
	}
	c.quarantine(r)
}

func (c *Checked) quarantine(r Report) {
	for _, t := range r.Tables {
		if t.Name != TableQuarantine {
			continue
		}
		if n := t.Missing + t.Different; n > 0 {
			c.add(fmt.Sprintf("The quarantine differs from the log in %d events: some can be read by this version, or were changed.", n),
				"Run `backup-monitor quarantine retry`, and then, if fsck still says so, `backup-monitor rebuild`.")
		}
		if r.Unreadable > 0 {
			c.add(fmt.Sprintf("%d events in the log cannot be read by this version and are in quarantine: what they say is in no table.", r.Unreadable),
				"`backup-monitor quarantine list` names them. If a newer version wrote them, install that one and run `backup-monitor quarantine retry`. What nobody will ever read is dismissed with `backup-monitor quarantine dismiss`.")
		}
	}
	if r.Unstorable > 0 {
		c.add(r.Unstored(), DoMend)
	}
}

func example(t Table, kind string) string {
	for _, d := range t.First {
		if d.Kind == kind {
			return d.Row
		}
	}
	return "see rebuild --dry-run"
}
