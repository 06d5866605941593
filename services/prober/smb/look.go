// Package smb looks at the backup folders of one outlet over SMB 2 and 3. One
// look is one function call: Look. It changes nothing on the outlet, keeps
// nothing between calls, and trusts nothing that the server sends.
//
// One connection per distinct credential serves all places and all their
// drives at once. Whatever happens, the connection is closed when Look
// returns; nothing is said in goodbye, because a server forgets a session with
// its connection and a silent one would keep us waiting.
package smb

import (
	"context"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// Defaults of Options.
const (
	DefaultPort        = 445 // [MS-SMB2] 2.1
	DefaultDialTimeout = 5 * time.Second
	// DefaultIdleTimeout leaves a sleeping USB disk the time to spin up.
	DefaultIdleTimeout = 15 * time.Second
	// DefaultQuietAfter is longer than a healthy server ever takes to answer.
	DefaultQuietAfter = 2 * time.Second
)

// The steps of a look, as events.LookError and events.Step name them.
const (
	StepConnect   = "connect"
	StepNegotiate = "negotiate"
	StepSignIn    = "sign_in"
	StepShare     = "share"
	StepFolder    = "folder"
	StepList      = "list"
)

// Options are what the looks of one prober share. The zero value works.
type Options struct {
	Port        int              // of addresses without one; 0: DefaultPort
	DialTimeout time.Duration    // for the TCP connection; 0: DefaultDialTimeout
	IdleTimeout time.Duration    // of each write, and for each 4 KiB or frame to come in; 0: DefaultIdleTimeout
	QuietAfter  time.Duration    // see Request.Quiet; 0: DefaultQuietAfter
	Now         func() time.Time // our clock, which skew is measured against; nil: time.Now
	Breaker     Breaker          // of accounts of a domain; nil: none
	// Trace, where set, is told of each step as it ends, one at a time.
	Trace func(step, detail string, d time.Duration)
}

// Place is where one mode keeps its backups.
type Place struct {
	Mode       events.Mode
	Credential Credential
	Shares     []string // in the order of preference
	Folder     string   // below each share, with \ or /; "" is the share itself
}

// Target is an outlet and the places to look at on it.
type Target struct {
	Address string // IP address or host name, with or without :port
	Places  []Place
}

// Request is what a look needs to know to tell the files that count.
type Request struct {
	ScanDate events.Date
	Began    time.Time      // when the look began, by our clock
	Zone     *time.Location // whose days scan dates are
	Policy   events.Policy
	// Quiet, where set, is called when the look has waited QuietAfter for the
	// outlet, perhaps more than once and from another goroutine: it costs
	// nothing but time from then on.
	Quiet func()
}

// Result is what was seen at one place.
type Result struct {
	Mode events.Mode
	// Reached tells that something answered at the address, be it only to
	// refuse the connection: the network between us works.
	Reached bool
	// NoTurn tells that the account's turn to sign in did not come in time,
	// which says nothing of the outlet.
	NoTurn bool
	Clock  verdict.Clock
	Cutoff time.Time // see verdict.Cutoff
	// Drives are as the place's shares; none where Error kept the look from
	// reaching them.
	Drives   []events.Drive
	Error    *events.LookError
	Steps    []events.Step
	Warnings []string
	Traffic  Traffic
}

// Traffic counts what went over the connection that a place was seen through.
type Traffic struct {
	Sent, Received int // frames
	// Turns is how often we had to wait for an answer before we could go on:
	// requests that are under way together count once.
	Turns int
}

// Look looks at all places of a target and returns what it saw, in their
// order. The caller owns the deadline: Look returns soon after ctx ends. It has
// no error of its own; what kept it from seeing stands in the results.
func Look(ctx context.Context, o Options, t Target, r Request) []Result {
	o = o.withDefaults()
	if r.Quiet == nil {
		r.Quiet = func() {}
	}
	results := make([]Result, len(t.Places))
	var wg sync.WaitGroup
	for _, group := range byCredential(t.Places) {
		wg.Go(func() {
			places := make([]Place, len(group))
			for i, at := range group {
				places[i] = t.Places[at]
			}
			v := visit{options: o, address: t.Address, request: r, places: places}
			for i, seen := range v.run(ctx) {
				results[group[i]] = seen
			}
		})
	}
	wg.Wait()
	return results
}

func (o Options) withDefaults() Options {
	if o.Port == 0 {
		o.Port = DefaultPort
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = DefaultDialTimeout
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.QuietAfter <= 0 {
		o.QuietAfter = DefaultQuietAfter
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if trace := o.Trace; trace != nil {
		var mu sync.Mutex
		o.Trace = func(step, detail string, d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			trace(step, detail, d)
		}
	} else {
		o.Trace = func(string, string, time.Duration) {}
	}
	return o
}

// byCredential groups the indexes of places that one session can serve.
func byCredential(places []Place) [][]int {
	var groups [][]int
	at := map[Credential]int{}
	for i, p := range places {
		g, ok := at[p.Credential]
		if !ok {
			g = len(groups)
			at[p.Credential] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}
