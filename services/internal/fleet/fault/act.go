package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"backupmonitor/services/internal/fleet/smbserver"
)

// Of a frame and the first message in it, [MS-SMB2] 2.1 and 2.2.1.2.
const (
	transport   = 4
	header      = 64
	statusAt    = 8
	flagsAt     = 16
	nextAt      = 20
	asyncAt     = 32
	signatureAt = 48
)

var errBrokenOff = errors.New("broken off on purpose")

// Silence says nothing from this answer on, and keeps the connection.
func Silence() Act {
	return Do("silence", func(ctx context.Context, _ net.Conn, _ *smbserver.Response) error {
		<-ctx.Done()
		return ctx.Err()
	})
}

// Mute leaves this answer out.
func Mute() Act {
	return Do("mute", func(context.Context, net.Conn, *smbserver.Response) error { return nil })
}

// HangUp closes the connection in place of the answer.
func HangUp() Act {
	return Do("hang up", func(context.Context, net.Conn, *smbserver.Response) error { return errBrokenOff })
}

// Reset breaks the connection, so that the client is told of it by a TCP reset.
func Reset() Act {
	return Do("reset", func(_ context.Context, conn net.Conn, _ *smbserver.Response) error {
		Break(conn)
		return errBrokenOff
	})
}

// Break makes a TCP connection end with a reset when it is closed.
func Break(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it has ended already, if that fails
	}
}

// Drip writes the answer byte by byte, with a pause after each.
func Drip(pause time.Duration) Act {
	return Do("drip", func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for i := range r.Frame {
			if err := errors.Join(conn.SetWriteDeadline(time.Now().Add(time.Minute)), write(conn, r.Frame[i:i+1])); err != nil {
				return err
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
}

// Length announces a frame of n bytes, whatever it has, and goes on as if nothing were wrong.
func Length(n uint32) Act {
	return Do(fmt.Sprintf("length %d", n), func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		binary.BigEndian.PutUint32(r.Frame, n)
		return write(conn, r.Frame)
	})
}

// Truncate cuts the message to its first n bytes, and signs what is left of it, where that still has a header.
func Truncate(n int) Act {
	return Do(fmt.Sprintf("truncate to %d", n), func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		r.Frame = r.Frame[:min(len(r.Frame), transport+n)]
		binary.BigEndian.PutUint32(r.Frame, uint32(len(r.Frame)-transport))
		return sealed(conn, r)
	})
}

// NextCommand says that the next message of the frame begins n bytes after this one, which is none.
func NextCommand(n uint32) Act {
	return field(fmt.Sprintf("NextCommand %d", n), nextAt, n)
}

// NextEntry says that the second entry of a listing begins n bytes after the first; [MS-FSCC] 2.4. It changes only
// answers with entries.
func NextEntry(n uint32) Act {
	act := field(fmt.Sprintf("NextEntryOffset %d", n), header+8, n)
	return Do(act.name, func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		if r.Command != smbserver.QueryDirectory || binary.LittleEndian.Uint32(r.Frame[transport+statusAt:]) != 0 {
			return write(conn, r.Frame)
		}
		return act.do(ctx, conn, r)
	})
}

// field sets 32 bits at an offset of the message, under a right signature.
func field(name string, at int, v uint32) Act {
	return Do(name, func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		if len(r.Frame) >= transport+at+4 {
			binary.LittleEndian.PutUint32(r.Frame[transport+at:], v)
		}
		return sealed(conn, r)
	})
}

// Missign spoils the signature.
func Missign() Act {
	return Do("wrong signature", func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		r.Frame[transport+signatureAt] ^= 0x80
		return write(conn, r.Frame)
	})
}

// Unsign takes the signature away.
func Unsign() Act {
	return Do("no signature", func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		const signed = 0x8
		r.Frame[transport+flagsAt] &^= signed
		clear(r.Frame[transport+signatureAt : transport+header])
		return write(conn, r.Frame)
	})
}

// Refuse answers with a status and an error body, [MS-SMB2] 2.2.2, whatever the answer was.
func Refuse(status smbserver.Status) Act {
	return Do(fmt.Sprintf("refuse with 0x%08X", uint32(status)), func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		r.Frame = append(r.Frame[:transport+header], 9, 0, 0, 0, 0, 0, 0, 0, 0)
		binary.BigEndian.PutUint32(r.Frame, uint32(len(r.Frame)-transport))
		binary.LittleEndian.PutUint32(r.Frame[transport+statusAt:], uint32(status))
		binary.LittleEndian.PutUint32(r.Frame[transport+nextAt:], 0)
		return sealed(conn, r)
	})
}

// Repeat gives the answer twice.
func Repeat() Act {
	return Do("repeat", func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		return errors.Join(write(conn, r.Frame), write(conn, r.Frame))
	})
}

// Pending gives an interim answer, [MS-SMB2] 3.3.4.2, and the answer itself after a while. It is no fault: so speak
// servers whose disk must spin up first. An answer to TREE_CONNECT cannot be given so: the id of the tree would have no
// place in it.
func Pending(wait time.Duration) Act {
	return Do("pending", func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		const (
			pending     = 0x103 // STATUS_PENDING
			async, sign = 0x2, 0x8
		)
		le := binary.LittleEndian
		message := r.Frame[transport:]
		le.PutUint32(message[flagsAt:], le.Uint32(message[flagsAt:])|async)
		le.PutUint64(message[asyncAt:], uint64(r.Number))
		interim := append([]byte{0, 0, 0, header + 9}, message[:header]...)
		interim = append(interim, 9, 0, 0, 0, 0, 0, 0, 0, 0)
		le.PutUint32(interim[transport+statusAt:], pending)
		interim[transport+flagsAt] &^= sign
		clear(interim[transport+signatureAt : transport+header])
		if err := write(conn, interim); err != nil {
			return err
		}
		le.PutUint16(message[14:], 0) // the interim answer has granted the credits
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
			return sealed(conn, r)
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// sealed writes an answer under a right signature, where there is a key and a header for it.
func sealed(conn net.Conn, r *smbserver.Response) error {
	if message := r.Frame[transport:]; len(message) >= header {
		r.Sign(message)
	}
	return write(conn, r.Frame)
}
