package smb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// visit is one connection to an outlet and the places seen through it.
type visit struct {
	options Options
	address string
	request Request
	places  []Place

	host     string        // of address
	hostPort string        // of address
	reached  bool          // see Result
	noTurn   bool          // likewise
	steps    []events.Step // of the connection
}

// entry is an open door: a signed-in session.
type entry struct {
	host    string
	wire    *wire
	session *smb2.Session
}

// run makes the visit. Its results are in the order of places.
func (v *visit) run(ctx context.Context) []Result {
	// Everything the library does for us hangs on this context, also what it
	// does behind our back: its finalizers would otherwise wait for ever for
	// the answer of a server that fell silent, and with them all finalizers of
	// the process.
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	w, err := v.dial(ctx)
	defer func() {
		cancel()
		if w != nil {
			_ = w.Close() // we are done with it, whatever it says
		}
		working.Wait()
	}()
	if err != nil {
		return v.all(sighting{}, err)
	}
	door, lookErr := v.signIn(ctx, w)
	if lookErr != nil {
		results := v.all(w.look(), lookErr)
		for i := range results {
			results[i].NoTurn = v.noTurn
		}
		return results
	}
	results := v.all(w.look(), nil)
	v.seePlaces(ctx, door, results, &working)
	for i := range results {
		results[i].Traffic = w.look().traffic
	}
	return results
}

// dial opens the TCP connection.
func (v *visit) dial(ctx context.Context) (*wire, *events.LookError) {
	began := time.Now()
	host, hostPort, err := dialAddress(v.address, v.options.Port)
	if err != nil {
		return nil, &events.LookError{Code: events.CauseUnreachable, Step: StepConnect, Detail: err.Error()}
	}
	v.host, v.hostPort = host, hostPort
	dialer := net.Dialer{Timeout: v.options.DialTimeout}
	var conn net.Conn
	quietly(v.options.QuietAfter, v.request.Quiet, func() { conn, err = dialer.DialContext(ctx, "tcp", hostPort) })
	v.reached = err == nil || isAnswer(err)
	if err != nil {
		v.step(StepConnect, err.Error(), time.Since(began))
		return nil, dialError(hostPort, err)
	}
	v.step(StepConnect, "connected to "+conn.RemoteAddr().String(), time.Since(began))
	until, _ := ctx.Deadline()
	w := newWire(conn, v.options.IdleTimeout, until, v.options.Now)
	w.quietAfter, w.quiet = v.options.QuietAfter, v.request.Quiet
	return w, nil
}

// attempt is one try to open a session.
type attempt struct {
	session      *smb2.Session
	seen         sighting
	began, ended time.Time
	outcome      Outcome
	barred       error // why the account was not even tried
	err          error
}

// attempt negotiates and signs in. Signing is required of the server: what is
// not signed could come from anybody.
func (v *visit) attempt(ctx context.Context, w *wire) attempt {
	cred := v.places[0].Credential
	a := attempt{began: v.options.Now()}
	t := v.turn(ctx, cred)
	w.beforeSignIn = t.enter
	a.err = guard(func() (err error) {
		d := smb2.Dialer{
			Negotiator: smb2.Negotiator{RequireMessageSigning: true},
			Initiator:  &smb2.NTLMInitiator{User: cred.User, Password: cred.Password, Domain: cred.Domain},
		}
		a.session, err = d.DialConn(ctx, w, v.host)
		return err
	})
	a.ended, a.seen = v.options.Now(), w.look()
	a.outcome = outcomeOf(a.seen, a.err, a.err == nil && cred.Domain != "" && proven(ctx, a.session))
	a.barred = t.end(a.outcome)
	return a
}

// proven tells whether the server knows the account's password, or somebody who
// does vouches for it. That it let us in says nothing: the library takes the
// answer that ends a sign-in without a signature. Every later one has it, a
// refusal too. Accounts of the outlet itself save themselves the question.
func proven(ctx context.Context, s *smb2.Session) bool {
	err := guard(s.WithContext(ctx).Echo)
	_, refused := errors.AsType[*smb2.ResponseError](err)
	return err == nil || refused
}

// signIn opens a session.
func (v *visit) signIn(ctx context.Context, w *wire) (entry, *events.LookError) {
	cred := v.places[0].Credential
	a := v.attempt(ctx, w)
	began, ended, seen, err := a.began, a.ended, a.seen, a.err
	if seen.negotiated == nil {
		v.step(StepNegotiate, "no answer", ended.Sub(began))
		return entry{}, signInError(StepNegotiate, cred, err, seen)
	}
	v.step(StepNegotiate, "the server speaks SMB", seen.answered.Sub(began))
	switch {
	case a.barred != nil:
		_, paused := errors.AsType[*PausedError](a.barred)
		v.noTurn = !paused
		v.step(StepSignIn, "not tried", ended.Sub(seen.answered))
		return entry{}, barredError(cred, a.barred)
	case err != nil:
		v.step(StepSignIn, "refused", ended.Sub(seen.answered))
		return entry{}, signInError(StepSignIn, cred, err, seen)
	case seen.unverified:
		// The library would go on, unsigned.
		v.step(StepSignIn, "let in as a guest", ended.Sub(seen.answered))
		return entry{}, &events.LookError{Code: events.CauseAuthFailed, Step: StepSignIn, Detail: fmt.Sprintf(
			"the server does not know the account %s and let it in only as a guest", cred)}
	}
	v.step(StepSignIn, "signed in as "+cred.String(), ended.Sub(seen.answered))
	return entry{host: v.host, wire: w, session: a.session}, nil
}

// turn is the look's turn to sign in. An account of the outlet itself, without
// a domain, is nobody else's concern.
func (v *visit) turn(ctx context.Context, cred Credential) *turn {
	if v.options.Breaker == nil || cred.Domain == "" {
		return &turn{ask: func() (func(Outcome), error) { return func(Outcome) {}, nil }}
	}
	return &turn{ask: func() (tell func(Outcome), err error) {
		quietly(v.options.QuietAfter, v.request.Quiet, func() { tell, err = v.options.Breaker.Admit(ctx, cred, v.hostPort) })
		return tell, err
	}}
}

// all begins a result for each place, with what is common to them.
func (v *visit) all(seen sighting, lookErr *events.LookError) []Result {
	clock := seen.clock()
	results := make([]Result, len(v.places))
	for i, p := range v.places {
		r := Result{Mode: p.Mode, Reached: v.reached, Clock: clock, Error: lookErr, Steps: append([]events.Step{}, v.steps...), Traffic: seen.traffic}
		cutoff, err := verdict.Cutoff(v.request.ScanDate, v.request.Began, v.request.Zone, clock)
		if err != nil {
			r.Error = &events.LookError{Code: events.CauseProtocolError, Step: StepConnect, Detail: err.Error()}
		}
		r.Cutoff = cutoff
		if seen.negotiated != nil && !clock.Known() {
			r.Warnings = append(r.Warnings, "the server sent no clock: ages are measured by ours")
		}
		results[i] = r
	}
	return results
}

// seePlaces looks at all drives of all places at once.
func (v *visit) seePlaces(ctx context.Context, door entry, results []Result, working *sync.WaitGroup) {
	today := verdict.Today(v.request.ScanDate, v.request.Began, v.request.Zone)
	gate := newGate(func() int { return door.wire.look().credits })
	price := door.wire.look().negotiated.listPrice()
	looks := make([][]*driveLook, len(v.places))
	var seeing sync.WaitGroup
	for i, p := range v.places {
		if results[i].Error != nil {
			continue
		}
		for _, share := range p.Shares {
			d := &driveLook{
				entry: door, gate: gate, price: price, place: p, working: working,
				files: verdict.NewSelection(verdict.Limit(results[i].Cutoff, today), v.request.Policy),
				trace: v.options.Trace,
				drive: events.Drive{Letter: verdict.Letter(share), Share: share, Folder: p.Folder},
			}
			looks[i] = append(looks[i], d)
			seeing.Go(func() { d.run(ctx) })
		}
	}
	seeing.Wait()
	for i := range results {
		for _, d := range looks[i] {
			results[i].Drives = append(results[i].Drives, d.drive)
		}
		results[i].Steps = append(results[i].Steps, longest(looks[i])...)
	}
}

func (v *visit) step(name, detail string, d time.Duration) {
	v.steps = append(v.steps, events.Step{Name: name, DurationMS: Milliseconds(d)})
	v.options.Trace(name, detail, d)
}

// longest is how long each step took on the drive where it took longest: the
// drives are looked at side by side.
func longest(looks []*driveLook) []events.Step {
	var steps []events.Step
	for _, name := range []string{StepShare, StepFolder, StepList} {
		most, done := time.Duration(0), false
		for _, d := range looks {
			if took, ok := d.took[name]; ok {
				most, done = max(most, took), true
			}
		}
		if done {
			steps = append(steps, events.Step{Name: name, DurationMS: Milliseconds(most)})
		}
	}
	return steps
}

// Milliseconds is a duration as events carry it, exact to the microsecond.
func Milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// clock is the server's. It was read at some instant between question and
// answer: the middle is at most half the round trip wrong. It comes before any
// signature; in 3.1.1 the signing key depends on it, in older dialects somebody
// on the line could change it.
func (s sighting) clock() verdict.Clock {
	if s.negotiated == nil || s.negotiated.systemTime.IsZero() {
		return verdict.Clock{}
	}
	middle := s.asked.Add(s.answered.Sub(s.asked) / 2)
	return verdict.Clock{Server: s.negotiated.systemTime, Skew: s.negotiated.systemTime.Sub(middle)}
}

// listPrice is how many credits the library spends on one part of a listing:
// it asks for as much as the server gives at once, at most 1 MiB, 64 KiB a
// credit; [MS-SMB2] 3.2.4.1.5.
func (n negotiated) listPrice() int {
	const perCredit, most = 64 << 10, 1 << 20
	if !n.largeMTU {
		return 1
	}
	return (int(min(n.maxTransact, most))-1)/perCredit + 1
}
