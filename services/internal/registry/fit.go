package registry

import (
	"encoding/json"
	"errors"
	"fmt"

	"backupmonitor/events"
)

// mostCodeBytes is what the codes of all active outlets may take as JSON: a full
// scan names them in one event, of which NATS takes 1 MB unless told otherwise.
// Codes of 10 characters are some 69,000. It is well below that megabyte, because
// two who add outlets at the same time do not see each other's and may pass it. Where
// the megabyte itself is passed, the scheduler ends each full scan at once and says why.
const mostCodeBytes = 900_000

// ErrTooMany says that no full scan could name all active outlets.
var ErrTooMany = errors.New("too many outlets")

// Fit checks that a full scan can name all outlets that are active after the
// changes. Errors: ErrTooMany. Changes after which there are no more than before
// always fit.
func (o Outlets) Fit(changes ...Change) error {
	before := o.codeBytes()
	after := before
	for _, c := range changes {
		if !c.Writes() {
			continue
		}
		if e, ok := o.Get(c.Outlet.Code); ok && e.Active {
			after -= CodeBytes(e.Code)
		}
		if c.Outlet.Active {
			after += CodeBytes(c.Outlet.Code)
		}
	}
	if after > mostCodeBytes && after > before {
		return fmt.Errorf("%w: the codes of all that are active would take %d bytes, and a full scan carries %d", ErrTooMany, after, mostCodeBytes)
	}
	return nil
}

// Room is how many CodeBytes may become active besides those that are.
func (o Outlets) Room() int { return mostCodeBytes - o.codeBytes() }

func (o Outlets) codeBytes() (n int) {
	for _, e := range o.entries {
		if e.Active {
			n += CodeBytes(e.Code)
		}
	}
	return n
}

// Made is the change that an outlet's new state is.
func Made(next events.OutletChanged) Change { return Change{Kind: Changed, Outlet: next} }

// CodeBytes is what a code takes in a list in JSON.
func CodeBytes(code string) int {
	b, err := json.Marshal(code)
	if err != nil {
		return 0 // of a text there is no error
	}
	return len(b) + 1
}
