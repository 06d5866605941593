package smbserver

import "encoding/binary"

// handle checks that the request may be made at all, and makes it. The signer is the one that must sign the answer.
func (c *conversation) handle(req *request) (answer, *signer) {
	if int(req.command) < commandCount {
		c.server.counts.requests[req.command].Add(1)
	}
	if req.command == Cancel {
		return answer{}, nil // nothing here takes long enough to be cancelled
	}
	if !c.window.take(req.messageID, c.charge(req)) {
		return answer{end: errProtocol}, nil
	}
	switch {
	case req.command == Negotiate:
		return c.negotiate(req), nil
	case c.negotiated.dialect == 0:
		return answer{end: errProtocol}, nil
	case req.command == SessionSetup:
		reply := c.sessionSetup(req)
		return reply, reply.signer
	}
	return c.handleInSession(req)
}

// charge is what a request costs; dialect 2.0.2 has no such field.
func (c *conversation) charge(req *request) uint16 {
	if c.negotiated.dialect <= dialect202 {
		return 1
	}
	return req.charge
}

// handleInSession verifies session, signature, tree and form, [MS-SMB2] 3.3.5.2.
func (c *conversation) handleInSession(req *request) (answer, *signer) {
	s := c.sessions[req.sessionID]
	if s == nil || s.signer == nil {
		if req.command == Echo && req.sessionID == 0 {
			return echo(req), nil
		}
		return refuse(StatusUserSessionDeleted), nil
	}
	req.session = s
	if signed := req.flags&flagSigned != 0; !signed && !c.server.config.TakesUnsigned() || signed && !s.signer.verify(req.raw) {
		return refuse(StatusAccessDenied), s.signer
	}
	if req.broken != StatusOK {
		return refuse(req.broken), s.signer
	}
	if size := bodySize(req.command); size == 0 || len(req.body) < size&^1 ||
		int(binary.LittleEndian.Uint16(req.body)) != size {
		return refuse(StatusInvalidParameter), s.signer
	}
	switch req.command {
	case Logoff:
		c.drop(s)
		return answer{body: []byte{4, 0, 0, 0}}, s.signer
	case Echo:
		return echo(req), s.signer
	case TreeConnect:
		return c.treeConnect(req), s.signer
	}
	tree := s.trees[req.treeID]
	if tree == nil {
		return refuse(StatusNetworkNameDeleted), s.signer
	}
	req.tree = tree
	return c.handleInTree(req), s.signer
}

func (c *conversation) handleInTree(req *request) answer {
	switch req.command {
	case TreeDisconnect:
		return treeDisconnect(req)
	case Create:
		return create(req)
	case Ioctl:
		return c.ioctl(req)
	case Write, SetInfo:
		return refuse(StatusAccessDenied)
	case Lock, ChangeNotify, OplockBreak:
		return refuse(StatusNotSupported)
	}
	file := req.file()
	if file == nil {
		return refuse(StatusFileClosed)
	}
	switch req.command {
	case Close:
		return closeFile(req, file)
	case Flush:
		return answer{body: []byte{4, 0, 0, 0}, fileID: file.id}
	case Read:
		return c.readFile(req, file)
	case QueryDirectory:
		return c.queryDirectory(req, file)
	case QueryInfo:
		return c.queryInfo(req, file)
	}
	return refuse(StatusNotSupported)
}

// bodySize is the StructureSize each request states; where it is odd the last byte stands for a variable part, which
// may be empty.
func bodySize(command Command) int {
	sizes := [commandCount]int{
		Negotiate: 36, SessionSetup: 25, Logoff: 4, TreeConnect: 9, TreeDisconnect: 4, Create: 57, Close: 24, Flush: 24,
		Read: 49, Write: 49, Lock: 48, Ioctl: 57, Cancel: 4, Echo: 4, QueryDirectory: 33, ChangeNotify: 32,
		QueryInfo: 41, SetInfo: 33, OplockBreak: 24,
	}
	if int(command) < len(sizes) {
		return sizes[command]
	}
	return 0
}

func echo(req *request) answer {
	if len(req.body) < 4 {
		return refuse(StatusInvalidParameter)
	}
	return answer{body: []byte{4, 0, 0, 0}}
}

// file finds the open file a request names; in a related request all ones mean the file of the request before.
func (r *request) file() *file {
	at := 8
	switch r.command {
	case Read:
		at = 16
	case QueryInfo:
		at = 24
	}
	id, ok := part(r.body, at, 16)
	if !ok {
		return nil
	}
	persistent, volatile := binary.LittleEndian.Uint64(id), binary.LittleEndian.Uint64(id[8:])
	if persistent == ^uint64(0) && volatile == ^uint64(0) && r.flags&flagRelated != 0 {
		persistent, volatile = r.fileID, r.fileID
	}
	f := r.tree.files[volatile]
	if f == nil || persistent != volatile {
		return nil
	}
	r.fileID = f.id
	return f
}

// costs reports whether the request's charge pays for this many bytes, [MS-SMB2] 3.3.5.2.5.
func (c *conversation) costs(req *request, n uint32) bool {
	if c.negotiated.dialect <= dialect202 {
		return n <= 65536
	}
	return n == 0 || (n-1)/65536+1 <= uint32(max(1, req.charge))
}
