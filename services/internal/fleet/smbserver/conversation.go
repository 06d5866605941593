package smbserver

import (
	"encoding/binary"
	"errors"
)

// conversation is the state of one connection, [MS-SMB2] 3.3.1.7. It is used by one goroutine.
type conversation struct {
	server     *Server
	window     window
	negotiated negotiated
	preauth    [64]byte // 3.1.1 only
	sessions   map[uint64]*session
}

// request is one message of a frame, decoded.
type request struct {
	header
	raw  []byte // from its header to the end of its padding
	body []byte
	// broken is the failure of the request before it in a related compound, which it shares.
	broken Status
	fileID uint64 // of the related request before it
	// session and tree are those named in the header, where the command needs them.
	session *session
	tree    *tree
}

// answer is what a handler has to say: a body, with a status.
type answer struct {
	status Status
	body   []byte
	// treeID and sessionID, where set, tell the client a new id.
	treeID    uint32
	sessionID uint64
	// fileID is what related requests after this one mean by "that file".
	fileID uint64
	// signer, where set, signs the answer whatever the request was.
	signer *signer
	// end leaves the request without an answer and ends the conversation with this error.
	end error
}

func refuse(status Status) answer { return answer{status: status} }

func newConversation(s *Server) *conversation {
	return &conversation{server: s, window: newWindow(), sessions: map[uint64]*session{}}
}

var errProtocol = errors.New("client broke the protocol")

// answer handles one frame. A nil response means that the frame asks for none; an error ends the conversation.
func (c *conversation) answer(frame []byte) (*Response, error) {
	if len(frame) >= 4 && string(frame[:4]) == "\xffSMB" {
		return c.answerSMB1(frame)
	}
	first, ok := decodeHeader(frame)
	if !ok {
		return nil, errProtocol
	}
	out := make([]byte, 4, 512)
	signers := map[int]*signer{}
	var previous *request
	var last answer
	at := -1
	for rest := frame; len(rest) > 0; {
		req, next, ok := cutRequest(rest)
		if !ok {
			return nil, errProtocol
		}
		rest = next
		req.follow(previous, last)
		reply, key := c.handle(req)
		if reply.end != nil {
			return nil, reply.end
		}
		previous, last = req, reply
		if req.command == Cancel {
			continue
		}
		if at >= 0 {
			out = chain(out, at)
			c.seal(out[at:], signers[at])
		}
		at = len(out)
		signers[at] = key
		out = c.appendReply(out, req, reply)
	}
	if at < 0 {
		return nil, nil
	}
	c.seal(out[at:], signers[at])
	c.hashReply(previous, last, out[4:])
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	key := signers[at]
	return &Response{Command: first.command, Frame: out, Sign: func(message []byte) { c.seal(message, key) }}, nil
}

// cutRequest takes the first message off a compound, [MS-SMB2] 3.3.5.2.7.
func cutRequest(b []byte) (req *request, rest []byte, ok bool) {
	h, ok := decodeHeader(b)
	if !ok || h.flags&flagResponse != 0 {
		return nil, nil, false
	}
	raw := b
	if h.next != 0 {
		if h.next < headerSize || h.next%8 != 0 || uint64(h.next) >= uint64(len(b)) {
			return nil, nil, false
		}
		raw, rest = b[:h.next], b[h.next:]
	}
	return &request{header: h, raw: raw, body: raw[headerSize:]}, rest, true
}

// follow gives a related request the session, tree and file of the one before it.
func (r *request) follow(previous *request, last answer) {
	if r.flags&flagRelated == 0 {
		return
	}
	if previous == nil {
		r.broken = StatusInvalidParameter
		return
	}
	r.sessionID, r.treeID, r.fileID = previous.sessionID, previous.treeID, previous.fileID
	if last.sessionID != 0 {
		r.sessionID = last.sessionID
	}
	if last.treeID != 0 {
		r.treeID = last.treeID
	}
	if last.fileID != 0 {
		r.fileID = last.fileID
	}
	if last.status.failed() && (previous.command == Create || previous.broken != StatusOK) {
		r.broken = last.status
	}
}

// chain pads the message that begins at and says where the next one begins.
func chain(out []byte, at int) []byte {
	for (len(out)-at)%8 != 0 {
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[at+20:], uint32(len(out)-at))
	return out
}

func (c *conversation) seal(message []byte, key *signer) {
	if key != nil && len(message) >= headerSize {
		key.sign(message)
	}
}

// appendReply writes header and body; a failure has the error body of [MS-SMB2] 2.2.2.
func (c *conversation) appendReply(out []byte, req *request, reply answer) []byte {
	h := req.header
	h.status = reply.status
	h.flags = flagResponse | req.flags&flagRelated
	h.next = 0
	h.credits = c.window.grant(req.credits)
	if reply.treeID != 0 {
		h.treeID = reply.treeID
	}
	if reply.sessionID != 0 {
		h.sessionID = reply.sessionID
	}
	out = h.append(out)
	if reply.body == nil {
		return append(out, 9, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	return append(out, reply.body...)
}
