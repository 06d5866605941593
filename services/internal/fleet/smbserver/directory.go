package smbserver

import (
	"encoding/binary"
	"hash/fnv"
)

// scan is how far the listing of an open folder has come, [MS-SMB2] 3.3.1.10 and [MS-FSA] 2.1.5.6.3. Positions 0 and 1
// are "." and "..", the entries follow.
type scan struct {
	begun   bool
	pattern pattern
	next    int
	told    bool // at least one entry matched so far
}

// queryDirectory tells as many entries as fit, [MS-SMB2] 3.3.5.18.
func (c *conversation) queryDirectory(req *request, f *file) answer {
	const restart, single, reopen = 0x01, 0x02, 0x10
	le := binary.LittleEndian
	if len(req.body) < 32 {
		return refuse(StatusInvalidParameter)
	}
	if !f.node.Dir {
		return refuse(StatusNotSupported) // as Samba has it
	}
	class, flags, room := req.body[2], req.body[3], le.Uint32(req.body[28:])
	fixed := entryFixed(class)
	if fixed == 0 {
		return refuse(StatusInvalidInfoClass)
	}
	if room > c.negotiated.maxTransfer() || !c.costs(req, room) {
		return refuse(StatusInvalidParameter)
	}
	if int(room) < fixed {
		return refuse(StatusInfoLengthMismatch)
	}
	name, ok := part(req.raw, int(le.Uint16(req.body[24:])), int(le.Uint16(req.body[26:])))
	if !ok || len(name)%2 != 0 || len(name) > 1024 {
		return refuse(StatusInvalidParameter)
	}
	if !f.scan.begun || flags&(restart|reopen) != 0 {
		keep := f.scan.pattern
		f.scan = scan{begun: true, pattern: keep}
		if len(name) > 0 || keep == nil || flags&reopen != 0 {
			f.scan.pattern = newPattern(decodeUTF16(name))
		}
	}
	limit := -1
	if flags&single != 0 {
		limit = 1
	}
	entries, status := f.fill(class, int(room), limit)
	if status != StatusOK {
		return refuse(status)
	}
	b := le.AppendUint16(make([]byte, 0, 8+len(entries)), 9)
	b = le.AppendUint16(b, headerSize+8)
	b = le.AppendUint32(b, uint32(len(entries)))
	return answer{body: append(b, entries...), fileID: f.id}
}

// fill writes the next matching entries, each on a multiple of 8 bytes, until room or limit is used up.
func (f *file) fill(class byte, room, limit int) ([]byte, Status) {
	var b []byte
	last := -1
	for ; f.scan.next < f.node.Entries.Len()+2 && limit != 0; f.scan.next++ {
		e := f.entry(f.scan.next)
		if !f.scan.pattern.matches(e.Name) {
			continue
		}
		at := (len(b) + 7) &^ 7
		if at+entryFixed(class)+2*len(e.Name) > room && at+entryFixed(class)+len(encodeUTF16(e.Name)) > room {
			if last < 0 {
				return nil, StatusInfoLengthMismatch
			}
			break
		}
		if last >= 0 {
			b = append(b, make([]byte, at-len(b))...)
			binary.LittleEndian.PutUint32(b[last:], uint32(at-last))
		}
		b = appendEntry(b, class, e, entryID(f.path, e.Name))
		last = at
		f.scan.told = true
		limit--
	}
	switch {
	case last >= 0:
		return b, StatusOK
	case f.scan.told:
		return nil, StatusNoMoreFiles
	default:
		f.scan.told = true
		return nil, StatusNoSuchFile
	}
}

// entry is what stands at a position of the listing.
func (f *file) entry(position int) Entry {
	if position >= 2 {
		return f.node.Entries.Entry(position - 2)
	}
	self := f.node.Entry
	self.Name = [2]string{".", ".."}[position]
	return self
}

// entryID stands for the file's number on the disk.
func entryID(folder, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(folder)) // never fails
	_, _ = h.Write([]byte{'\\'})
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}
