package smbserver

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Config is what a server needs; only Host must be set.
type Config struct {
	Host Host
	// Dialects are those the server speaks, for example 0x0210 alone; nil means all of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1.
	Dialects []uint16
	// Latency is asked for each request frame: its answer leaves that much later. Requests in flight wait at the same
	// time, as on a long line, and answers keep their order. nil means no delay.
	Latency func() time.Duration
	// Intercept writes the responses; nil writes each as it is.
	Intercept Intercept
	// MaxSessions is how many may be signed in at once, on all connections together; whoever comes after them is told
	// StatusRequestNotAccepted. nil, or an answer of 0, means any number.
	MaxSessions func() int
	// TakesUnsigned tells whether requests without a signature are served too, as a server does that lets guests in.
	// nil means that they are not.
	TakesUnsigned func() bool
	// IdleTimeout ends a conversation whose client says nothing for so long; 0 means 15 minutes.
	IdleTimeout time.Duration
}

// Response is one frame on its way to the client.
type Response struct {
	// Command is that of the request it answers, the first one of a compound.
	Command Command
	// Number counts the response frames of this conversation, from 1.
	Number int
	// Nth counts those among them that answer this command, from 1.
	Nth int
	// Frame is what would be written: four bytes of length, then the message or messages, signed. It is the
	// interceptor's own to change.
	Frame []byte
	// Sign signs a message anew after a change, as the session it belongs to does: message is a part of Frame from one
	// header to the end of that message's padding. It does nothing where the session has no key yet.
	Sign func(message []byte)
}

// Intercept sees every frame before it is written, and writes it: unchanged, changed, in pieces, or not at all. Here a
// server is made to misbehave. It may wait, but no longer than until ctx is done. An error ends the conversation. It is
// called by one goroutine per conversation.
type Intercept func(ctx context.Context, conn net.Conn, response *Response) error

// Server is one host. It may hold any number of conversations at once; it costs little while it holds none.
type Server struct {
	config Config
	guid   [16]byte
	counts counts
}

type counts struct {
	requests      [commandCount]atomic.Int64
	sessions      atomic.Int64
	openSessions  atomic.Int64
	failedSignIns atomic.Int64
	lastSession   atomic.Uint64
}

// Stats counts what a server has done since it was made.
type Stats struct {
	Requests      map[Command]int64 // each request of a compound counts; commands never seen are absent
	Sessions      int64             // sign-ins that succeeded
	OpenSessions  int64             // of these, those that have not ended
	FailedSignIns int64             // sign-ins with an unknown user, a wrong password or a refused account
}

// New makes a server.
func New(config Config) *Server {
	if config.Dialects == nil {
		config.Dialects = []uint16{dialect202, dialect210, dialect300, dialect302, dialect311}
	}
	if config.Latency == nil {
		config.Latency = func() time.Duration { return 0 }
	}
	if config.Intercept == nil {
		config.Intercept = func(_ context.Context, conn net.Conn, response *Response) error {
			_, err := conn.Write(response.Frame)
			return err
		}
	}
	if config.MaxSessions == nil {
		config.MaxSessions = func() int { return 0 }
	}
	if config.TakesUnsigned == nil {
		config.TakesUnsigned = func() bool { return false }
	}
	if config.IdleTimeout == 0 {
		config.IdleTimeout = 15 * time.Minute
	}
	s := &Server{config: config}
	copy(s.guid[:], config.Host.Name())
	s.guid[15] = 1
	return s
}

// admit counts a session in; false if there are as many as may be.
func (s *Server) admit() bool {
	most := s.config.MaxSessions()
	if n := s.counts.openSessions.Add(1); most > 0 && n > int64(most) {
		s.counts.openSessions.Add(-1)
		return false
	}
	s.counts.sessions.Add(1)
	return true
}

// Stats gives the counts so far.
func (s *Server) Stats() Stats {
	stats := Stats{
		Requests:      map[Command]int64{},
		Sessions:      s.counts.sessions.Load(),
		OpenSessions:  s.counts.openSessions.Load(),
		FailedSignIns: s.counts.failedSignIns.Load(),
	}
	for i := range s.counts.requests {
		if n := s.counts.requests[i].Load(); n > 0 {
			stats.Requests[Command(i)] = n
		}
	}
	return stats
}
