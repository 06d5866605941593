package smb

import "encoding/binary"

// Of an answer to QUERY_DIRECTORY, [MS-SMB2] 2.2.34, and of an entry in it,
// FileIdBothDirectoryInformation, [MS-FSCC] 2.4.17.
const (
	listingFixed = 8   // bytes of the answer before its buffer
	entryFixed   = 104 // bytes of an entry before its name
	// maxName is the longest name in bytes. Windows knows 255 characters of
	// two bytes; some file systems of other servers have longer names.
	maxName = 2048
	// padding is what may stand between two entries, or after the last one,
	// with any content.
	padding = 7
)

// entries checks a listing as its bytes pass by, before the library reads it.
//
// The library follows the offset of the next entry wherever it leads. Entries
// that overlap make it build a name of a megabyte a hundred thousand times over
// from one answer, and one wrong offset makes it overlook files or see some
// that are not there, in what it then takes for the whole folder. Here entries
// follow each other, and nothing stands between them or after the last.
//
// What is encrypted cannot be checked here. It comes from a server that knows
// the password.
type entries struct {
	fixed [entryFixed]byte
	at    int // in the body
	next  int // where the next entry begins
	end   int // of the buffer
	quiet int // from here on to next all bytes are 0
	last  bool
}

// feed takes the next bytes of the answer's body.
func (e *entries) feed(p []byte) error {
	for len(p) > 0 {
		var n int
		switch {
		case e.at < listingFixed:
			n = copy(e.fixed[e.at:listingFixed], p)
		case e.at < e.next:
			n = min(len(p), e.next-e.at)
			for i, b := range p[:n] {
				if b != 0 && e.at+i >= e.quiet {
					return errListing
				}
			}
		case e.last:
			return nil
		default:
			n = copy(e.fixed[e.at-e.next:], p)
		}
		e.at, p = e.at+n, p[n:]
		if err := e.step(); err != nil {
			return err
		}
	}
	return nil
}

// step reads what has become complete.
func (e *entries) step() error {
	switch {
	case e.at == listingFixed:
		e.next = int(binary.LittleEndian.Uint16(e.fixed[2:])) - headerSize
		e.end = e.next + int(binary.LittleEndian.Uint32(e.fixed[4:]))
		e.quiet = e.next
		if e.next < listingFixed || e.end < e.next+entryFixed {
			return errListing
		}
	case e.at == e.next+entryFixed && !e.last:
		return e.entry()
	}
	return nil
}

// entry reads an entry but for its name, which follows.
func (e *entries) entry() error {
	le := binary.LittleEndian
	next, name := int(le.Uint32(e.fixed[:])), int(le.Uint32(e.fixed[60:]))
	created, modified := le.Uint64(e.fixed[8:]), le.Uint64(e.fixed[24:])
	begin, nameEnd := e.next, e.at+name
	switch {
	case name == 0, name%2 != 0, name > maxName, nameEnd > e.end:
		return errListing
	case created >= fileTimeEnd, modified >= fileTimeEnd:
		return errListing
	case next == 0:
		e.next, e.last = e.end, true
	case next < entryFixed+name, begin+next > e.end-entryFixed:
		return errListing
	default:
		e.next = begin + next
	}
	e.quiet = nameEnd + padding
	return nil
}
