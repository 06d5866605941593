package smbserver

import (
	"encoding/binary"
	"strings"
	"time"
)

// queryInfo tells about a file or the disk it is on, [MS-SMB2] 3.3.5.20. What does not fit is cut off, where the class
// ends in a name, or refused.
func (c *conversation) queryInfo(req *request, f *file) answer {
	const infoFile, infoFileSystem = 1, 2
	le := binary.LittleEndian
	if len(req.body) < 40 {
		return refuse(StatusInvalidParameter)
	}
	kind, class, room := req.body[2], req.body[3], le.Uint32(req.body[4:])
	if room > c.negotiated.maxTransfer() || !c.costs(req, room) {
		return refuse(StatusInvalidParameter)
	}
	var info []byte
	var fixed int
	switch {
	case kind == infoFile:
		info, fixed = fileInfo(class, f)
	case kind == infoFileSystem && f.volume != nil:
		info, fixed = volumeInfo(class, f.volume)
	default:
		return refuse(StatusNotSupported)
	}
	if info == nil {
		return refuse(StatusInvalidInfoClass)
	}
	if int(room) < fixed {
		return refuse(StatusInfoLengthMismatch)
	}
	status := StatusOK
	if len(info) > int(room) {
		info, status = info[:room], StatusBufferOverflow
	}
	b := le.AppendUint16(make([]byte, 0, 8+len(info)), 9)
	b = le.AppendUint16(b, headerSize+8)
	b = le.AppendUint32(b, uint32(len(info)))
	return answer{status: status, body: append(b, info...), fileID: f.id}
}

// fileInfo writes one class of [MS-FSCC] 2.4; nil for a class there is not. fixed is how much of it must fit.
func fileInfo(class byte, f *file) (info []byte, fixed int) {
	const (
		basic, standard, internal, extended, access, position, mode, alignment = 4, 5, 6, 7, 8, 14, 16, 17
		all, alternate, stream, networkOpen, attributeTag                      = 18, 21, 22, 34, 35
	)
	le := binary.LittleEndian
	e := f.node.Entry
	switch class {
	case basic:
		info = appendTimes(nil, e)
		info = append(le.AppendUint32(info, attributes(e)), 0, 0, 0, 0)
	case standard:
		info = le.AppendUint32(appendSizes(nil, e), 1)
		info = append(info, 0, 0, 0, 0)
		if e.Dir {
			info[21] = 1
		}
	case internal:
		info = le.AppendUint64(nil, entryID("", f.path))
	case access:
		info = le.AppendUint32(nil, maximalAccess)
	case position:
		info = make([]byte, 8)
	case extended, mode, alignment:
		info = make([]byte, 4)
	case all:
		for _, each := range []byte{basic, standard, internal, extended, access, position, mode, alignment} {
			part, _ := fileInfo(each, f)
			info = append(info, part...)
		}
		fixed = len(info) + 4
		name := encodeUTF16(`\` + f.path)
		return append(le.AppendUint32(info, uint32(len(name))), name...), fixed
	case alternate:
		name := encodeUTF16(shortName(e.Name))
		return append(le.AppendUint32(nil, uint32(len(name))), name...), 4
	case stream:
		return streamInfo(e), 0
	case networkOpen:
		info = appendSizes(appendTimes(nil, e), e)
		info = append(le.AppendUint32(info, attributes(e)), 0, 0, 0, 0)
	case attributeTag:
		info = append(le.AppendUint32(nil, attributes(e)), 0, 0, 0, 0)
	}
	return info, len(info)
}

// shortName makes up a name of eight characters and three, of which nothing depends on being unique.
func shortName(name string) string {
	name = strings.ToUpper(name)
	base, extension := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		base, extension = name[:dot], "."+string(firstRunes(name[dot+1:], 3))
	}
	return string(firstRunes(base, 6)) + "~1" + extension
}

func firstRunes(s string, n int) []rune {
	runes := []rune(s)
	return runes[:min(n, len(runes))]
}

// streamInfo names a file's one stream, [MS-FSCC] 2.4.49; a folder has none.
func streamInfo(e Entry) []byte {
	if e.Dir {
		return []byte{}
	}
	name := encodeUTF16("::$DATA")
	b := binary.LittleEndian.AppendUint32(make([]byte, 4), uint32(len(name)))
	sizes := appendSizes(nil, e)
	b = append(b, sizes[8:]...)
	b = append(b, sizes[:8]...)
	return append(b, name...)
}

// volumeInfo writes one class of [MS-FSCC] 2.5; nil for a class there is not.
func volumeInfo(class byte, v Volume) (info []byte, fixed int) {
	const volume, size, device, attribute, fullSize, sectors = 1, 3, 4, 5, 7, 11
	le := binary.LittleEndian
	free, total := v.Space()
	freeClusters, totalClusters := uint64(max(0, free))/clusterSize, uint64(max(0, total))/clusterSize
	const sector = 512
	switch class {
	case volume:
		info = le.AppendUint64(nil, filetime(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)))
		info = le.AppendUint32(info, 0x0B0DE512) // a serial number
		label := encodeUTF16("Outlet")
		info = append(le.AppendUint32(info, uint32(len(label))), 0, 0)
		return append(info, label...), 18
	case size:
		info = le.AppendUint64(nil, totalClusters)
		info = le.AppendUint64(info, freeClusters)
	case fullSize:
		info = le.AppendUint64(nil, totalClusters)
		info = le.AppendUint64(info, freeClusters)
		info = le.AppendUint64(info, freeClusters)
	case device:
		const disk, mounted = 0x07, 0x20
		info = le.AppendUint32(le.AppendUint32(nil, disk), mounted)
		return info, len(info)
	case attribute:
		const namesKeepCase, unicodeNames, readOnly = 0x2, 0x4, 0x00080000
		name := encodeUTF16("NTFS")
		info = le.AppendUint32(nil, namesKeepCase|unicodeNames|readOnly)
		info = le.AppendUint32(info, 255)
		info = le.AppendUint32(info, uint32(len(name)))
		return append(info, name...), 12
	case sectors:
		for range 4 {
			info = le.AppendUint32(info, sector)
		}
		info = append(info, make([]byte, 12)...)
		return info, len(info)
	default:
		return nil, 0
	}
	info = le.AppendUint32(info, clusterSize/sector)
	info = le.AppendUint32(info, sector)
	return info, len(info)
}
