package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/whatif"
)

const (
	// previewDays is how many scan dates a preview may have, and previewLooks
	// how many looks may have to be read for it: a week of 1000 outlets looked
	// at 16 times a day in both modes. Judging them took 32 s on two busy cores
	// (BenchmarkLog of package whatif: 7,900 a second). The command line has no
	// such bounds.
	previewDays  = 31
	previewLooks = 250_000
	// previewTimeout bounds the reading of the log.
	previewTimeout = 45 * time.Second
	// previewChanges is how many changes an answer lists.
	previewChanges = 1000
)

// previewPolicy tells what another policy would say of what was seen.
func (g *Gateway) previewPolicy(w *response, r *request) error {
	var in struct {
		MaxAgeSeconds *int64      `json:"maxAgeSeconds"`
		MinSizeBytes  *int64      `json:"minSizeBytes"`
		Patterns      []string    `json:"patterns"`
		From          events.Date `json:"from"`
		To            events.Date `json:"to"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	o := whatif.Options{From: in.From, To: in.To, Most: previewChanges}
	if in.MaxAgeSeconds != nil {
		if *in.MaxAgeSeconds < 0 || *in.MaxAgeSeconds > events.MostMaxAgeSeconds {
			return badRequest(`Field "maxAgeSeconds" of the body: %d is no age.`, *in.MaxAgeSeconds)
		}
		age := time.Duration(*in.MaxAgeSeconds) * time.Second
		o.Change.MaxAge = &age
	}
	if in.MinSizeBytes != nil {
		if *in.MinSizeBytes < 0 {
			return badRequest(`Field "minSizeBytes" of the body: %d is no size.`, *in.MinSizeBytes)
		}
		o.Change.MinSize = in.MinSizeBytes
	}
	if in.Patterns != nil {
		if err := o.Change.SetPatterns(in.Patterns); err != nil {
			return badRequest(`Field "patterns" of the body: name patterns as *.bak, none of them empty.`)
		}
	}
	if o.Change.Empty() {
		return badRequest("The body names nothing that would be another: maxAgeSeconds, minSizeBytes or patterns.")
	}
	if err := previewDates(&o, g.today(nil)); err != nil {
		return err
	}
	report, err := g.judgeAgain(r.Context(), o)
	if err == nil {
		err = g.still(r.Context(), r) // judging takes its time
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Status    string          `json:"status"`
		From      events.Date     `json:"from"`
		To        events.Date     `json:"to"`
		Looks     int             `json:"looks"`
		Rows      int             `json:"rows"`
		Changed   int             `json:"changed"`
		Groups    []whatif.Group  `json:"groups"`
		Changes   []whatif.Change `json:"changes"`
		Timestamp time.Time       `json:"timestamp"`
	}{success, o.From, o.To, report.Looks, report.Days, report.Changed, report.Groups, report.Changes, g.cfg.Now().UTC()})
}

// previewDates checks the dates; without them it is the last week.
func previewDates(o *whatif.Options, today events.Date) error {
	parse := func(name string, d events.Date) (time.Time, error) {
		if _, err := events.ParseDate(string(d)); err != nil {
			return time.Time{}, badRequest("Field %q of the body: %v.", name, err)
		}
		return time.Parse(time.DateOnly, string(d))
	}
	if o.To == "" {
		o.To = today
	}
	to, err := parse("to", o.To)
	if err != nil {
		return err
	}
	if o.From == "" {
		o.From = events.DateOf(to.AddDate(0, 0, -6), time.UTC)
	}
	from, err := parse("from", o.From)
	if err != nil {
		return err
	}
	switch days := int(to.Sub(from)/(24*time.Hour)) + 1; {
	case days < 1:
		return badRequest(`Field "from" of the body: %s is after "to", %s.`, o.From, o.To)
	case days > previewDays:
		return badRequest("%d days are too many for one preview: %d at most; the command `backup-monitor judge` has no bound.", days, previewDays)
	}
	return nil
}

// judgeAgain judges for one caller at a time: it reads much.
func (g *Gateway) judgeAgain(ctx context.Context, o whatif.Options) (whatif.Report, error) {
	select {
	case g.judging <- struct{}{}:
		defer func() { <-g.judging }()
	default:
		return whatif.Report{}, &problem{
			status: http.StatusTooManyRequests, message: "Another preview is being made. Try again in a moment.", retryAfter: 5 * time.Second,
		}
	}
	ctx, cancel := context.WithTimeout(ctx, previewTimeout)
	defer cancel()
	o.MostLooks = g.cfg.PreviewLooks
	report, err := whatif.Log(ctx, logfile.Whole{Log: g.log, Archives: g.cfg.Archives}, o)
	if err != nil {
		return report, previewProblem(err, o)
	}
	return report, nil
}

// previewProblem says what to do about a log that cannot be judged here.
func previewProblem(err error, o whatif.Options) error {
	command := fmt.Sprintf("`backup-monitor judge --policy … --from %s --to %s`", o.From, o.To)
	conflict := func(format string, args ...any) error {
		return &problem{status: http.StatusConflict, message: fmt.Sprintf(format, args...), cause: err}
	}
	tooMany, isTooMany := errors.AsType[*whatif.TooManyError](err)
	switch {
	case isTooMany:
		return badRequest("For these days %d events have to be read, and a preview reads %d at most: choose fewer days, or run %s on the server.",
			tooMany.Looks, o.MostLooks, command)
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{
			status:  http.StatusServiceUnavailable,
			message: fmt.Sprintf("Judging these days takes longer than %s here: choose fewer days, or run %s on the server.", previewTimeout, command),
			cause:   err,
		}
	case errors.Is(err, whatif.ErrMoved):
		return &problem{
			status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second, message: "The log was archived meanwhile. Try again in a moment.", cause: err,
		}
	case errors.Is(err, whatif.ErrArchived), errors.Is(err, logfile.ErrNoArchive), errors.Is(err, logfile.ErrDamaged):
		return conflict("Looks of these days were archived, and the archives cannot be read here: choose later days, or run %s where ARCHIVE_DIR is.", command)
	case errors.Is(err, whatif.ErrIncomplete), errors.Is(err, logfile.ErrIncomplete):
		return conflict("Events are missing in the log, so that nothing sure can be said; `backup-monitor fsck` says what to do.")
	}
	return logProblem(err)
}
