package smbserver

import (
	"encoding/binary"
	"strings"
)

// tree is one connected share, [MS-SMB2] 3.3.1.9.
type tree struct {
	id     uint32
	volume Volume // nil for IPC$, which can be connected to and holds nothing
	files  map[uint64]*file
}

// [MS-SMB2] 2.2.10; the access is that of a reader: read data, attributes, extended attributes, control, execute, sync.
const (
	shareDisk     = 1
	sharePipe     = 2
	maximalAccess = 0x001200A9
)

// treeConnect opens a share, [MS-SMB2] 3.3.5.7.
func (c *conversation) treeConnect(req *request) answer {
	le := binary.LittleEndian
	path, ok := part(req.raw, int(le.Uint16(req.body[4:])), int(le.Uint16(req.body[6:])))
	if !ok || len(path)%2 != 0 {
		return refuse(StatusInvalidParameter)
	}
	name := decodeUTF16(path)
	if !strings.HasPrefix(name, `\\`) || strings.Count(name, `\`) != 3 {
		return refuse(StatusBadNetworkName)
	}
	name = name[strings.LastIndexByte(name, '\\')+1:]
	s := req.session
	if len(s.trees) >= maxTrees {
		return refuse(StatusInsufficientResources)
	}
	t := &tree{files: map[uint64]*file{}}
	kind := byte(sharePipe)
	if !strings.EqualFold(name, "IPC$") {
		volume, err := c.server.config.Host.Share(name)
		if err != nil {
			return refuse(statusOf(err))
		}
		t.volume, kind = volume, shareDisk
	}
	s.lastTree++
	t.id = s.lastTree
	s.trees[t.id] = t

	b := append(le.AppendUint16(nil, 16), kind, 0)
	b = le.AppendUint32(b, 0) // share flags
	b = le.AppendUint32(b, 0) // capabilities
	return answer{treeID: t.id, body: le.AppendUint32(b, maximalAccess)}
}

func treeDisconnect(req *request) answer {
	delete(req.session.trees, req.tree.id)
	return answer{body: []byte{4, 0, 0, 0}}
}
