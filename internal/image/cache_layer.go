package image

import (
	"encoding/binary"
	"reflect"
)

// The form of a layer: what is known of it, the files in which something was
// found, and its nodes in the order of their ids, each below one before it.

func encodeLayer(read *layerRead) ([]byte, error) {
	t := read.tree
	b := appendText(appendText(nil, read.blob), read.raw)
	b = binary.AppendUvarint(b, uint64(read.size))
	b = binary.AppendUvarint(b, uint64(read.entries))
	plain := byte(0)
	if read.plain {
		plain = 1
	}
	b = append(b, plain)
	b = binary.AppendUvarint(b, uint64(len(t.contents)))
	for i := range t.contents {
		c := &t.contents[i]
		kept := byte(0)
		if c.bytes != nil {
			kept = 1
		}
		b = appendText(append(b, kept), string(c.bytes))
		b = appendText(appendText(b, c.path), c.problem)
		var err error
		if b, err = appendValue(b, reflect.ValueOf(&c.found).Elem()); err != nil {
			return nil, err
		}
	}
	b = binary.AppendUvarint(b, uint64(t.count))
	for id := rootID; int(id) <= t.count; id++ {
		b = t.appendNode(b, id)
	}
	var err error
	if b, err = appendValue(b, reflect.ValueOf(&read.search).Elem()); err != nil {
		return nil, err
	}
	for _, list := range [][]nodeID{t.whiteouts, t.opaques} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, id := range list {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return b, nil
}

func (t *Tree) appendNode(b []byte, id nodeID) []byte {
	n := t.at(id)
	b = binary.AppendUvarint(b, uint64(id-n.parent))
	b = appendText(b, string(t.names.get(n.name)))
	b = append(b, byte(n.flags))
	if n.flags&present == 0 {
		return b
	}
	b = append(b, byte(n.kind))
	for _, number := range []uint64{uint64(n.mode), uint64(n.size), uint64(n.uid), uint64(n.gid), uint64(n.content)} {
		b = binary.AppendUvarint(b, number)
	}
	return appendText(b, string(t.names.get(n.link)))
}

// decodeLayer gives nil for what is not a layer.
func decodeLayer(form string) *layerRead {
	r := formReader{rest: form}
	read := &layerRead{tree: newTree(), complete: true}
	read.blob, read.raw = r.text(), r.text()
	read.size, read.entries, read.plain = int64(r.number()), int(r.number()), r.number() == 1
	t := read.tree
	t.contents = make([]content, r.count())
	for i := range t.contents {
		c := &t.contents[i]
		kept, text := r.number() == 1, r.text()
		if kept {
			c.bytes = append([]byte{}, text...)
			read.kept += int64(len(text))
		}
		c.path, c.problem = r.text(), r.text()
		r.value(reflect.ValueOf(&c.found).Elem())
	}
	nodes := r.count()
	for id := rootID; int(id) <= nodes && !r.bad; id++ {
		r.node(t, id)
	}
	r.value(reflect.ValueOf(&read.search).Elem())
	for _, list := range []*[]nodeID{&t.whiteouts, &t.opaques} {
		for range r.count() {
			id := r.number()
			if id == 0 || id > uint64(t.count) {
				return nil
			}
			*list = append(*list, nodeID(id))
		}
	}
	if r.bad || r.rest != "" {
		return nil
	}
	return read
}

// node reads one node, which gets the next id.
func (r *formReader) node(t *Tree, id nodeID) {
	back, name := r.number(), r.text()
	flags := nodeFlags(r.number())
	if len(name) > longestSpan {
		r.fail()
		return
	}
	if id > rootID && (back == 0 || back >= uint64(id) || name == "" || t.findOrAdd(id-nodeID(back), []byte(name)) != id) {
		r.fail()
		return
	}
	n := t.at(id)
	n.flags = flags &^ linked
	if flags&present == 0 {
		return
	}
	a := attributes{kind: Kind(r.number()), mode: uint16(r.number()), size: int64(r.number()), uid: uint32(r.number()), gid: uint32(r.number()), content: uint32(r.number())}
	link := r.text()
	if a.kind < File || a.kind > FIFO || int(a.content) > len(t.contents) || len(link) > longestSpan {
		r.fail()
		return
	}
	a.link = t.names.add([]byte(link))
	if a.content != 0 {
		t.contents[a.content-1].users++
	}
	n.attributes = a
	t.link(id)
}
