package fault

import (
	"bytes"
	"cmp"
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
	// OneIn is of how many answers about one is changed; 0 means 8.
	OneIn int
	// Resign gives changed answers a right signature, as those of a server that is itself broken have. Without it they
	// are what somebody on the line makes of them.
	Resign bool
	// Recorded are messages of earlier conversations, which may take the place of an answer. They are not changed.
	Recorded [][]byte
	// Spare are commands whose answers stay as they are.
	Spare []smbserver.Command
}

// Act changes some answers.
func (m Mutator) Act() Act {
	oneIn := cmp.Or(m.OneIn, 8)
	return Do(fmt.Sprintf("mutator %d", m.Seed), func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		vary := rand.New(rand.NewPCG(m.Seed, uint64(r.Number)))
		if vary.IntN(oneIn) > 0 || slices.Contains(m.Spare, r.Command) {
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
		if r.Command == smbserver.QueryDirectory && vary.IntN(2) == 0 {
			changeEntry(vary, message)
			continue
		}
		m.change(vary, message)
	}
	return [][]byte{framed(message)}
}

// changeEntry spoils a field of an entry of a listing, FileIdBothDirectoryInformation, [MS-FSCC] 2.4.17, so that what
// comes of it could pass for a listing.
func changeEntry(vary *rand.Rand, message []byte) {
	const first, fixed = header + 8, 104
	le := binary.LittleEndian
	var starts []int
	for at := first; at+fixed <= len(message); {
		starts = append(starts, at)
		next := int(le.Uint32(message[at:]))
		if next == 0 || len(starts) > 1000 {
			break
		}
		at += next
	}
	if len(starts) == 0 {
		return
	}
	i := len(starts) - 1 // as a rule the newest file
	if vary.IntN(2) == 0 {
		i = vary.IntN(len(starts))
	}
	entry := message[starts[i]:]
	switch vary.IntN(4) {
	case 0: // where the next one begins: none, a later one, or a little off
		offsets := []int{0, 8, int(le.Uint32(entry)) + 8, starts[vary.IntN(len(starts))] - starts[i]}
		le.PutUint32(entry, uint32(offsets[vary.IntN(len(offsets))]))
	case 1: // a time: another of the same shape, or one that is far away
		field := entry[8+8*vary.IntN(4):]
		v := le.Uint64(field)
		const wrap = 1 << 62 / 25 // after so many it looks the same to who counts nanoseconds in 64 bits, [MS-DTYP] 2.3.3
		times := []uint64{v ^ 1<<(40+vary.IntN(24)), v + 1<<62, v + wrap*vary.Uint64N(25), 0, 1<<63 - 1}
		le.PutUint64(field, times[vary.IntN(len(times))])
	case 2: // the length of the name
		lengths := []uint32{0, 2, le.Uint32(entry[60:]) + 2, le.Uint32(entry[60:]) * 2, uint32(len(entry) - fixed)}
		le.PutUint32(entry[60:], lengths[vary.IntN(len(lengths))])
	default: // anything in the entry
		at := vary.IntN(min(len(entry), fixed+64))
		entry[at] = byte(vary.Uint32())
	}
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
