package registry

import (
	"encoding/json"
	"errors"
	"fmt"

	"backupmonitor/events"
)

// mostCodeBytes is what the codes of all active outlets may take as JSON: a full
// scan names them in one event, of which NATS takes 1 MB unless told otherwise.
// Codes of 10 characters are some 69,000.
const mostCodeBytes = 900_000

// ErrTooMany says that no full scan could name all active outlets.
var ErrTooMany = errors.New("too many outlets")

// Fit checks that a full scan can name all outlets that are active after the
// changes. Errors: ErrTooMany. Changes after which there are no more than before
// always fit.
func (o Outlets) Fit(changes ...Change) error {
	before := 0
	for _, e := range o.entries {
		if e.Active {
			before += codeBytes(e.Code)
		}
	}
	after := before
	for _, c := range changes {
		if !c.Writes() {
			continue
		}
		if e, ok := o.Get(c.Outlet.Code); ok && e.Active {
			after -= codeBytes(e.Code)
		}
		if c.Outlet.Active {
			after += codeBytes(c.Outlet.Code)
		}
	}
	if after > mostCodeBytes && after > before {
		return fmt.Errorf("%w: the codes of all that are active would take %d bytes, and a full scan carries %d", ErrTooMany, after, mostCodeBytes)
	}
	return nil
}

// Made is the change that an outlet's new state is.
func Made(next events.OutletChanged) Change { return Change{Kind: Changed, Outlet: next} }

// codeBytes is what a code takes in a list in JSON.
func codeBytes(code string) int {
	b, err := json.Marshal(code)
	if err != nil {
		return 0 // of a text there is no error
	}
	return len(b) + 1
}
