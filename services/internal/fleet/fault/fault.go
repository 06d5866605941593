// Package fault makes simulated outlets misbehave on the wire, at any answer of a conversation.
//
// A [Fault] is an [Act] and the answers that meet it. A [List] of them stands in the truth of an outlet, so that a line
// switches them on, before the start or while it runs:
//
//	o.Change(func(t *fleet.Truth) {
//		t.Faults = fault.List{fault.To(smbserver.Create, 1, fault.Reset())}
//	})
//
// The acts break off, wait, lie about lengths, spoil signatures, refuse with any NTSTATUS; [Mutator] changes answers at
// random, the same for the same seed. What a server can be or hold, other than how it speaks, is told by the truth
// itself: locked accounts, refusing folders, clocks that are off, very many files.
package fault

import (
	"context"
	"fmt"
	"net"

	"backupmonitor/services/internal/fleet/smbserver"
)

// Act does something in place of writing an answer. The zero value writes it.
type Act struct {
	name string
	do   smbserver.Intercept
}

// Do makes an act of anything. name says what it is, in the names of tests.
func Do(name string, do smbserver.Intercept) Act { return Act{name, do} }

// String is the act's name.
func (a Act) String() string { return a.name }

// Fault is an act, and the answers of every conversation that meet it.
type Fault struct {
	// Command and Nth choose the nth answer to a command, counted from 1 in each conversation; with Nth 0 each of them.
	Command smbserver.Command
	Nth     int
	// Number, where set, chooses an answer by its place in the conversation instead, from 1.
	Number int
	// Every chooses all answers.
	Every bool
	Act   Act
}

// To is an act at the nth answer to a command; nth 0 means each.
func To(command smbserver.Command, nth int, act Act) Fault {
	return Fault{Command: command, Nth: nth, Act: act}
}

// Answer is an act at one answer by its place in the conversation, from 1.
func Answer(number int, act Act) Fault { return Fault{Number: number, Act: act} }

// Every is an act at all answers.
func Every(act Act) Fault { return Fault{Every: true, Act: act} }

// String names the act and what it meets.
func (f Fault) String() string {
	switch {
	case f.Every:
		return f.Act.name
	case f.Number > 0:
		return fmt.Sprintf("%s at answer %d", f.Act.name, f.Number)
	case f.Nth > 0:
		return fmt.Sprintf("%s at %s %d", f.Act.name, f.Command, f.Nth)
	}
	return fmt.Sprintf("%s at each %s", f.Act.name, f.Command)
}

func (f Fault) meets(r *smbserver.Response) bool {
	switch {
	case f.Every:
		return true
	case f.Number > 0:
		return r.Number == f.Number
	}
	return r.Command == f.Command && (f.Nth == 0 || r.Nth == f.Nth)
}

// List is any number of faults. Of those that an answer meets the first acts.
type List []Fault

// Write writes an answer, or does what is to be done instead. otherwise writes those that meet no fault; nil writes them
// as they are.
func (l List) Write(ctx context.Context, conn net.Conn, r *smbserver.Response, otherwise smbserver.Intercept) error {
	for _, f := range l {
		if f.Act.do != nil && f.meets(r) {
			return f.Act.do(ctx, conn, r)
		}
	}
	if otherwise != nil {
		return otherwise(ctx, conn, r)
	}
	return write(conn, r.Frame)
}

func write(conn net.Conn, b []byte) error {
	_, err := conn.Write(b)
	return err
}
