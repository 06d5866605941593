package smb

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// wire is a TCP connection that bounds what a server can do to us: every read
// and write has a deadline, all of them together another, and no frame is
// large. It also reads what the client library does not tell: the server's
// clock, why it refused the sign-in, and the credits.
//
// The library reads from one goroutine and writes from another.
type wire struct {
	net.Conn
	idle  time.Duration
	until time.Time // zero: no absolute deadline
	now   func() time.Time
	// quiet is called when nothing has come for quietAfter; see Request.
	quietAfter time.Duration
	quiet      func()
	// beforeSignIn is called before the first frame of the sign-in leaves,
	// which its error prevents; writer only.
	beforeSignIn func() error

	in      *bufio.Reader // spares a system call per frame; reader only
	framing framer        // reader only
	held    []byte        // a frame's transport header, until its message comes; writer only

	mu     sync.Mutex
	seen   sighting
	barred bool // waiting at beforeSignIn
}

// sighting is what was read from the frames so far.
type sighting struct {
	traffic    Traffic
	mayTurn    bool // something was received since the last frame was sent
	credits    int  // of ours: requests that the server would accept now
	negotiated *negotiated
	asked      time.Time // when NEGOTIATE was sent, by our clock
	answered   time.Time // when its answer was there
	signIn     uint32    // NTSTATUS of the last answer to SESSION_SETUP
	signedIn   bool
	unverified bool // signed in as a guest or as nobody
}

func newWire(c net.Conn, idle time.Duration, until time.Time, now func() time.Time) *wire {
	w := &wire{Conn: c, idle: idle, until: until, now: now, quietAfter: idle, quiet: func() {}}
	w.in = bufio.NewReaderSize(armedReader{w}, 4096)
	w.seen.credits, w.seen.mayTurn = 1, true // a connection begins with one credit; [MS-SMB2] 3.3.1.1
	return w
}

// look is what was read so far.
func (w *wire) look() sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if ferr := w.framing.feed(p[:n], w.limit, w.received); ferr != nil {
		return 0, ferr
	}
	return n, err
}

// Write implements net.Conn. The library writes a frame's transport header by
// itself; it is sent together with the message, not as a packet of its own.
func (w *wire) Write(p []byte) (int, error) {
	if len(w.held) == 0 && len(p) == transportSize {
		w.held = append(w.held, p...)
		return len(p), nil
	}
	if err := w.barrier(message(p)); err != nil {
		return 0, err
	}
	w.sending(message(p))
	if err := w.SetWriteDeadline(w.deadline()); err != nil {
		return 0, err
	}
	out := net.Buffers{w.held, p}
	_, err := out.WriteTo(w.Conn)
	w.held = w.held[:0]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// barrier keeps the sign-in from beginning before its turn. The server has
// nothing to answer meanwhile.
func (w *wire) barrier(m message) error {
	if w.beforeSignIn == nil || !m.plain() || m.command() != commandSessionSetup {
		return nil
	}
	before := w.beforeSignIn
	w.beforeSignIn = nil
	w.setBarred(true)
	defer w.setBarred(false)
	return before()
}

func (w *wire) setBarred(b bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.barred = b
}

func (w *wire) isBarred() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.barred
}

// deadline is that of an operation that begins now.
func (w *wire) deadline() time.Time { return w.within(w.idle) }

// within is d from now, or the end of the connection if that is before.
func (w *wire) within(d time.Duration) time.Time {
	at := time.Now().Add(d)
	if !w.until.IsZero() && w.until.Before(at) {
		return w.until
	}
	return at
}

func (w *wire) limit() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen.signedIn {
		return maxFrame
	}
	return maxFrameSignIn
}

// sending notes a frame that is about to leave.
func (w *wire) sending(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.traffic.Sent++
	if w.seen.mayTurn {
		w.seen.traffic.Turns++
		w.seen.mayTurn = false
	}
	if !m.plain() {
		return
	}
	w.seen.credits -= max(m.creditCharge(), 1)
	if m.command() == commandNegotiate {
		w.seen.asked = w.now()
	}
}

// received notes a frame that has arrived, before the library sees its end.
func (w *wire) received(prefix []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.traffic.Received++
	w.seen.mayTurn = true
	m := message(prefix)
	if !m.plain() {
		return
	}
	w.seen.credits = min(w.seen.credits+m.credits(), libraryCredits)
	if w.seen.signedIn {
		return // what comes now may say nothing new about the beginning
	}
	if n, ok := m.negotiated(); ok {
		w.seen.negotiated, w.seen.answered = &n, w.now()
	}
	if m.command() == commandSessionSetup {
		w.seen.signIn = m.status()
		w.seen.signedIn = m.status() == 0
		w.seen.unverified = w.seen.signedIn && m.unverified()
	}
}

// armedReader reads from the connection with a new deadline each time.
type armedReader struct{ w *wire }

func (r armedReader) Read(p []byte) (int, error) {
	for {
		n, err := r.patiently(p)
		if n > 0 || !isTimeout(err) || !r.w.isBarred() || !time.Now().Before(r.w.deadline()) {
			return n, err
		}
	}
}

// patiently reads once, and tells on the way if it has to wait for long.
func (r armedReader) patiently(p []byte) (int, error) {
	rest := r.w.idle
	if r.w.quietAfter < rest {
		n, err := r.until(p, r.w.within(r.w.quietAfter))
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		r.w.quiet()
		rest -= r.w.quietAfter
	}
	return r.until(p, r.w.within(rest))
}

func (r armedReader) until(p []byte, at time.Time) (int, error) {
	if err := r.w.SetReadDeadline(at); err != nil {
		return 0, err
	}
	return r.w.Conn.Read(p)
}
