package fault

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"

	"backupmonitor/services/internal/fleet/smbserver"
)

// Mutator changes answers at random. The same mutator does the same to the nth answer of any conversation.
type Mutator struct {
	Seed uint64
	// Resign gives changed answers a right signature, as those of a server that is itself broken have. Without it they
	// are what somebody on the line makes of them.
	Resign bool
	// Recorded are messages of earlier conversations, which may take the place of an answer. They are not changed.
	Recorded [][]byte
	// Spare are commands whose answers stay as they are.
	Spare []smbserver.Command
}

// Act changes about one in three answers.
func (m Mutator) Act() Act {
	return Do(fmt.Sprintf("mutator %d", m.Seed), func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		vary := rand.New(rand.NewPCG(m.Seed, uint64(r.Number)))
		if vary.IntN(3) > 0 || slices.Contains(m.Spare, r.Command) {
			return write(conn, r.Frame)
		}
		frames := m.mutate(vary, r)
		for _, frame := range frames {
			if message := frame[transport:]; m.Resign && len(message) >= header {
				r.Sign(message)
			}
		}
		if vary.IntN(16) == 0 && len(frames) > 0 { // wrong also in what is around the message
			binary.BigEndian.PutUint32(frames[0], interesting(vary, len(frames[0]))&0xFFFFFF)
		}
		return write(conn, bytes.Join(frames, nil))
	})
}

// mutate gives what is sent in place of an answer: none, one or two frames.
func (m Mutator) mutate(vary *rand.Rand, r *smbserver.Response) [][]byte {
	message := bytes.Clone(r.Frame[transport:])
	switch vary.IntN(24) {
	case 0:
		return nil
	case 1:
		return [][]byte{framed(message), framed(message)}
	case 2:
		if len(m.Recorded) > 0 {
			return [][]byte{framed(m.replay(vary, message))}
		}
	case 3:
		other := bytes.Clone(message)
		m.change(vary, other)
		return [][]byte{framed(other), framed(message)}
	case 4:
		message = message[:vary.IntN(len(message)+1)]
	case 5:
		message = append(message, make([]byte, 1+vary.IntN(300))...)
	case 6:
		at := vary.IntN(len(message))
		message = append(message[:at], message[min(len(message), at+1+vary.IntN(16)):]...)
	case 7:
		at, n := vary.IntN(len(message)), 1+vary.IntN(16)
		message = append(message[:at:at], append(bytes.Repeat([]byte{byte(vary.Uint32())}, n), message[at:]...)...)
	}
	for range 1 + vary.IntN(3) {
		m.change(vary, message)
	}
	return [][]byte{framed(message)}
}

// replay is a recorded answer that claims to answer the same request.
func (m Mutator) replay(vary *rand.Rand, message []byte) []byte {
	old := bytes.Clone(m.Recorded[vary.IntN(len(m.Recorded))])
	if len(old) >= header && len(message) >= header && vary.IntN(4) > 0 {
		copy(old[24:48], message[24:48]) // message, tree and session id
	}
	return old
}

// change spoils a few bits, a byte, or a field.
func (m Mutator) change(vary *rand.Rand, message []byte) {
	if len(message) == 0 {
		return
	}
	at := vary.IntN(len(message))
	if at >= header && vary.IntN(4) == 0 {
		at = min(len(message)-1, header+vary.IntN(128)) // where bodies and first entries have their fields
	}
	switch vary.IntN(5) {
	case 0:
		message[at] ^= 1 << vary.IntN(8)
	case 1:
		message[at] = byte(vary.Uint32())
	default:
		size := 1 << vary.IntN(4)
		at &^= min(size, 4) - 1 // fields stand on even places
		v := binary.LittleEndian.AppendUint64(nil, uint64(interesting(vary, len(message))))
		copy(message[at:], v[:size])
	}
}

// interesting is a number at which decoders go wrong.
func interesting(vary *rand.Rand, n int) uint32 {
	numbers := []uint32{0, 1, 4, 8, 63, 64, 65, 104, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF}
	switch vary.IntN(4) {
	case 0:
		return uint32(n + vary.IntN(17) - 8)
	case 1:
		return vary.Uint32N(uint32(n) + 1)
	}
	return numbers[vary.IntN(len(numbers))]
}

func framed(message []byte) []byte {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, transport+len(message)), uint32(len(message)))
	return append(frame, message...)
}
