package store

import (
	"errors"
	"strings"
)

// Trouble is an error of the database that an operator can do something about.
type Trouble struct {
	// Reason says what is wrong in words that anybody may read: it names no
	// host, table, file or user.
	Reason string
	// Refused makes it an ErrRefused.
	Refused bool
	// Unstorable makes it an ErrUnstorable.
	Unstorable bool
	Err        error
}

// Error implements error.
func (t *Trouble) Error() string { return t.Reason + ": " + t.Err.Error() }

// Unwrap gives what the driver said.
func (t *Trouble) Unwrap() error { return t.Err }

// Is makes trouble with the sign-in, a permission or a table an ErrRefused, and
// trouble with a value an ErrUnstorable.
func (t *Trouble) Is(target error) bool {
	return t.Refused && target == ErrRefused || t.Unstorable && target == ErrUnstorable
}

// Reason is what anybody may read of err, and otherwise where err tells nothing
// of the kind.
func Reason(err error, otherwise string) string {
	if t, ok := errors.AsType[*Trouble](err); ok {
		return t.Reason
	}
	return otherwise
}

// UnstorableReason is the Reason of an ErrUnstorable as the quarantine keeps it;
// see Quarantined.Unstorable.
func UnstorableReason(err error) string {
	text := ErrUnstorable.Error()
	reason := Reason(err, text)
	if !strings.HasPrefix(reason, text) {
		reason = text + ": " + reason
	}
	return reason
}

// Unstorable tells whether the event is in quarantine because of an
// ErrUnstorable: it can be read, and what it says is in no table.
func (q *Quarantined) Unstorable() bool { return strings.HasPrefix(q.Reason, ErrUnstorable.Error()) }
