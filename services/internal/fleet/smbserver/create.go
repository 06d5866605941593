package smbserver

import (
	"encoding/binary"
	"strings"
)

// file is an open folder or file, [MS-SMB2] 3.3.1.10.
type file struct {
	id     uint64
	path   string
	node   Node
	volume Volume
	scan   scan
}

// Of the create request, [MS-SMB2] 2.2.13.
const (
	dispositionOpen   = 1
	dispositionOpenIf = 3

	optionDirectory     = 0x00000001
	optionNonDirectory  = 0x00000040
	optionDeleteOnClose = 0x00001000

	// accessChanges are the rights nobody has here: to write, append, delete, change attributes or rights, all.
	accessChanges = 0x510D0156
)

// create opens what exists, [MS-SMB2] 3.3.5.9; whatever would change something is denied.
func create(req *request) answer {
	le := binary.LittleEndian
	if len(req.body) < 56 {
		return refuse(StatusInvalidParameter)
	}
	access, disposition, options := le.Uint32(req.body[24:]), le.Uint32(req.body[36:]), le.Uint32(req.body[40:])
	name, ok := part(req.raw, int(le.Uint16(req.body[44:])), int(le.Uint16(req.body[46:])))
	if !ok || len(name)%2 != 0 || options&optionDirectory != 0 && options&optionNonDirectory != 0 {
		return refuse(StatusInvalidParameter)
	}
	path := decodeUTF16(name)
	if status := checkPath(path); status != StatusOK {
		return refuse(status)
	}
	if req.tree.volume == nil {
		return refuse(StatusObjectNameNotFound) // there are no pipes behind IPC$
	}
	node, err := req.tree.volume.Open(strings.TrimSuffix(path, `\`))
	status := statusOf(err)
	switch {
	case status == StatusObjectNameNotFound && disposition != dispositionOpen:
		return refuse(StatusAccessDenied)
	case err != nil:
		return refuse(status)
	case disposition != dispositionOpen && disposition != dispositionOpenIf,
		access&accessChanges != 0, options&optionDeleteOnClose != 0:
		return refuse(StatusAccessDenied)
	case node.Dir && options&optionNonDirectory != 0:
		return refuse(StatusFileIsADirectory)
	case !node.Dir && options&optionDirectory != 0:
		return refuse(StatusNotADirectory)
	case len(req.tree.files) >= maxFiles:
		return refuse(StatusInsufficientResources)
	}
	req.session.lastFile++
	f := &file{id: req.session.lastFile, path: path, node: node, volume: req.tree.volume}
	req.tree.files[f.id] = f
	return answer{fileID: f.id, body: createBody(f)}
}

// checkPath refuses what no name may contain, [MS-FSCC] 2.1.5.
func checkPath(path string) Status {
	if strings.HasPrefix(path, `\`) {
		return StatusInvalidParameter
	}
	if strings.ContainsAny(path, "\x00/*?<>\"|:") {
		return StatusObjectNameInvalid
	}
	for component := range strings.SplitSeq(strings.TrimSuffix(path, `\`), `\`) {
		if component == "." || component == ".." {
			return StatusObjectPathSyntaxBad
		}
		if component == "" && path != "" {
			return StatusObjectNameInvalid
		}
	}
	return StatusOK
}

func createBody(f *file) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(make([]byte, 0, 88), 89)
	b = append(b, 0, 0)       // no oplock, no flags
	b = le.AppendUint32(b, 1) // FILE_OPENED
	b = appendTimes(b, f.node.Entry)
	b = appendSizes(b, f.node.Entry)
	b = le.AppendUint32(b, attributes(f.node.Entry))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, f.id)
	b = le.AppendUint64(b, f.id)
	return append(b, 0, 0, 0, 0, 0, 0, 0, 0) // no contexts
}

// closeFile ends a file's life, and tells its attributes once more if asked to, [MS-SMB2] 3.3.5.10.
func closeFile(req *request, f *file) answer {
	const postQuery = 0x1
	delete(req.tree.files, f.id)
	le := binary.LittleEndian
	flags := le.Uint16(req.body[2:]) & postQuery
	b := le.AppendUint16(make([]byte, 0, 60), 60)
	b = le.AppendUint16(b, flags)
	b = le.AppendUint32(b, 0)
	if flags == 0 {
		return answer{body: append(b, make([]byte, 52)...), fileID: f.id}
	}
	b = appendTimes(b, f.node.Entry)
	b = appendSizes(b, f.node.Entry)
	return answer{body: le.AppendUint32(b, attributes(f.node.Entry)), fileID: f.id}
}
