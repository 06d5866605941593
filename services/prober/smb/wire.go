package smb

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// wire is a TCP connection that bounds what a server can do to us: what it
// must send or take has a deadline, all of them together another, no frame is large,
// and what the client library would take amiss does not reach it (see dialogue
// and entries). It also reads what the library does not tell: the server's
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
	listing *entries      // of the frame that is under way; reader only
	readBy  time.Time     // deadline of what is being read; reader only
	part    int           // bytes received since readBy was set; reader only
	held    []byte        // a frame's transport header, until its message comes; writer only

	mu     sync.Mutex
	said   dialogue
	seen   sighting
	barred bool      // waiting at beforeSignIn
	opened time.Time // when that ended
}

// sighting is what was read from the frames so far.
type sighting struct {
	traffic    Traffic
	mayTurn    bool // something was received since the last frame was sent
	credits    int  // of ours: requests that the server would accept now
	negotiated *negotiated
	asked      time.Time // when NEGOTIATE was sent, by our clock
	answered   time.Time // when its answer was there
	signIns    int       // requests of the sign-in that were sent
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
	if ferr := w.framing.feed(p[:n], w); ferr != nil {
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
	w.mu.Lock()
	w.barred = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.barred, w.opened = false, time.Now()
	}()
	return before()
}

// asked is since when, at the latest, the server has had something to answer:
// it is not silent while we wait for our turn.
func (w *wire) asked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.barred {
		return time.Now()
	}
	return w.opened
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

// limit implements frameSink.
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
	w.said.ask(m)
	if !m.plain() {
		return
	}
	w.seen.credits -= max(m.creditCharge(), 1)
	switch m.command() {
	case commandNegotiate:
		w.seen.asked = w.now()
	case commandSessionSetup:
		w.seen.signIns++
	}
}

// header implements frameSink.
func (w *wire) header(m message) {
	w.listing = nil
	if m.plain() && m.command() == commandQueryDirectory && m.status() == 0 {
		w.listing = new(entries)
	}
}

// body implements frameSink.
func (w *wire) body(p []byte) error {
	if w.listing == nil {
		return nil
	}
	return w.listing.feed(p)
}

// whole notes a frame that has arrived, before the library sees its end. It
// implements frameSink.
func (w *wire) whole(m message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.traffic.Received++
	w.seen.mayTurn = true
	solicited, err := w.said.answer(m)
	if err != nil {
		return err
	}
	if solicited {
		w.received(m)
	}
	return nil
}

// received reads the beginning of an answer.
func (w *wire) received(m message) {
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

// progress is how many bytes of a frame must come within the idle timeout: who
// sends a byte a second keeps nobody waiting for an hour.
const progress = 4096

// armedReader reads from the connection with a deadline.
type armedReader struct{ w *wire }

func (r armedReader) Read(p []byte) (int, error) {
	w := r.w
	if w.framing.have == 0 || w.part >= progress {
		w.readBy, w.part = w.deadline(), 0
	}
	for {
		n, err := r.patiently(p)
		w.part += n
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		by := w.asked().Add(w.idle)
		if !w.until.IsZero() && w.until.Before(by) {
			by = w.until
		}
		if !by.After(time.Now()) {
			return n, err
		}
		w.readBy = by
	}
}

// patiently reads once, and tells on the way if it has to wait for long.
func (r armedReader) patiently(p []byte) (int, error) {
	if by := r.w.within(r.w.quietAfter); by.Before(r.w.readBy) {
		n, err := r.by(p, by)
		if n > 0 || !isTimeout(err) {
			return n, err
		}
		r.w.quiet()
	}
	return r.by(p, r.w.readBy)
}

func (r armedReader) by(p []byte, deadline time.Time) (int, error) {
	if err := r.w.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	return r.w.Conn.Read(p)
}
