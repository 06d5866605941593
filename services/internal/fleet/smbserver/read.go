package smbserver

import (
	"encoding/binary"
	"errors"
	"io"
)

// readFile gives a piece of a file, [MS-SMB2] 3.3.5.12.
func (c *conversation) readFile(req *request, f *file) answer {
	le := binary.LittleEndian
	if len(req.body) < 48 {
		return refuse(StatusInvalidParameter)
	}
	length, offset, minimum := le.Uint32(req.body[4:]), le.Uint64(req.body[8:]), le.Uint32(req.body[32:])
	switch {
	case f.node.Dir:
		return refuse(StatusInvalidDeviceRequest)
	case length > c.negotiated.maxTransfer(), !c.costs(req, length), offset > 1<<63-1:
		return refuse(StatusInvalidParameter)
	}
	left := max(0, f.node.Size-int64(offset))
	n := min(int64(length), left)
	if n < int64(minimum) || n == 0 && length > 0 {
		return refuse(StatusEndOfFile)
	}
	b := append(le.AppendUint16(make([]byte, 0, 16+n), 17), headerSize+16, 0)
	b = le.AppendUint32(b, uint32(n))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = append(b, make([]byte, n)...)
	if f.node.Content != nil {
		if _, err := f.node.Content.ReadAt(b[16:], int64(offset)); err != nil && !errors.Is(err, io.EOF) {
			return refuse(statusOf(err))
		}
	}
	return answer{body: b, fileID: f.id}
}
