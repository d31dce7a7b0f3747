package access

import "slices"

// look finds the ways of the subject.
func (t *taker) look() {
	for _, id := range t.own.held {
		t.rewriteHeld(id, true)
	}
	for _, p := range t.groups {
		for _, s := range t.own.scopes {
			list := p.held
			if s.namespace != inCluster { // roles of the cluster are not written by powers in a namespace
				_, list = t.x.a.in(s.namespace, p.held)
			}
			for _, id := range list {
				t.rewriteHeld(id, false)
			}
			if s.namespace == inCluster {
				break
			}
		}
	}
	t.scopes()
}

// rewriteHeld looks at the role of a binding that holds for the subject; own says
// that the binding names it.
func (t *taker) rewriteHeld(id int32, own bool) {
	b := Binding{t.x.a, id}
	kind, name := b.RoleRef()
	t.rewriteBound(resourceOf(kind), name, b.Role(), b.Namespace(), own)
}

// rewriteBound looks whether the subject may write into a role that it is bound to
// in a scope. The role is nil where it is not there.
func (t *taker) rewriteBound(resource powerResource, name RoleName, role *Role, scope string, own bool) {
	if asks := t.fills(resource, name, role); asks != nil && (own || t.direct(asks)) {
		t.take(RewriteRoles, scope, everything, nil, asks)
	}
}

// fills returns by what the subject puts any rule into what a role gives: into the
// role, into one of that name that it makes, or into one that the role aggregates,
// for which it takes a label.
func (t *taker) fills(resource powerResource, name RoleName, role *Role) []ask {
	if asks := t.may(resource, name.Namespace, name.Name, toEscalate, toChange); asks != nil {
		if role != nil {
			return asks
		}
		if made := t.makes(resource, name.Namespace, name.Name); made != nil {
			return slices.Concat(asks, made)
		}
	}
	switch {
	case role == nil:
		return t.may(resource, name.Namespace, "", toEscalate, toCreate)
	case len(role.selectors) > 0:
		return t.part()
	}
	return nil
}

// part returns by what the subject puts any rule into some ClusterRole.
func (t *taker) part() []ask {
	if asks := t.may(onClusterRoles, inCluster, "", toEscalate, toCreate); asks != nil {
		return asks
	}
	for _, name := range t.writable(onClusterRoles, inCluster) {
		if asks := t.empties(onClusterRoles, RoleName{Name: name}); asks != nil {
			return asks
		}
	}
	return nil
}

// writable returns the names over which there is a power to write into roles.
func (t *taker) writable(resource powerResource, namespace string) []string {
	return t.x.namesOf(t.all(), namespace, 1<<verbEscalate.on(resource)|1<<verbUpdate.on(resource)|1<<verbPatch.on(resource))
}

// makes returns by what the subject makes an object of a name. To create it takes no
// name; to apply it, by PATCH or PUT, the name counts.
func (t *taker) makes(resource powerResource, namespace, name string) []ask {
	if asks := t.may(resource, namespace, "", toCreate); asks != nil {
		return asks
	}
	return t.may(resource, namespace, name, toChange, toCreate)
}

// empties returns by what the subject takes the rules out of a role and puts any in
// later, or makes one without rules for that.
func (t *taker) empties(resource powerResource, name RoleName) []ask {
	asks := t.may(resource, name.Namespace, name.Name, toEscalate, toChange)
	if asks == nil || t.x.a.Role(name) != nil {
		return asks
	}
	made := t.makes(resource, name.Namespace, name.Name)
	if made == nil {
		return nil
	}
	return slices.Concat(asks, made)
}

// scopes looks at each scope in which the subject may bind itself to roles by a
// binding of its own.
func (t *taker) scopes() {
	if len(t.own.scopes) == 0 {
		return
	}
	var namespaces []string
	add := func(p *powers) {
		for _, s := range p.scopes {
			namespaces = append(namespaces, s.namespace)
		}
	}
	add(t.own)
	if namespaces[0] == inCluster {
		for _, p := range t.groups {
			add(p)
		}
		t.bindings(onClusterRoleBindings, inCluster)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	for _, namespace := range namespaces {
		t.bindings(onRoleBindings, namespace)
	}
	t.joins(namespaces)
}

// bindings looks at the bindings that the subject may make in a scope.
func (t *taker) bindings(resource powerResource, scope string) {
	how := t.may(resource, scope, "", toCreate)
	if how == nil {
		how = t.applied(resource, scope)
	}
	if how == nil || t.done(RewriteRoles) && t.done(GrantAnyRole) {
		return
	}
	holds := inCluster
	if resource == onRoleBindings {
		holds = everywhere(scope)
	}
	t.rewriteClusterRoles(holds, how)
	t.grantClusterRoles(scope, holds, how)
	if resource == onRoleBindings {
		t.rewriteRoles(scope, how)
		t.grantRoles(scope, how)
	}
}

// applied returns by what the subject makes a binding of a name that there is not.
func (t *taker) applied(resource powerResource, scope string) []ask {
	for _, name := range t.x.namesOf(t.all(), scope, 1<<verbCreate.on(resource)) {
		if asks := t.may(resource, scope, name, toChange, toCreate); asks != nil && !t.x.bound(resource, scope, name) {
			return asks
		}
	}
	return nil
}

func (t *taker) takeDirect(r Right, holds string, rights Rights, role *Role, asks ...[]ask) {
	if all := slices.Concat(asks...); t.direct(all) {
		t.take(r, holds, rights, role, all)
	}
}

// rewriteClusterRoles looks whether the subject may empty a ClusterRole, bind itself
// to it and fill it.
func (t *taker) rewriteClusterRoles(holds string, how []ask) {
	if asks := t.may(onClusterRoles, inCluster, "", toEscalate, toChange); asks != nil {
		t.takeDirect(RewriteRoles, holds, everything, nil, asks, how)
		return
	}
	for _, name := range t.writable(onClusterRoles, inCluster) {
		if asks := t.empties(onClusterRoles, RoleName{Name: name}); asks != nil {
			t.takeDirect(RewriteRoles, holds, everything, nil, asks, how)
			return
		}
	}
}

// rewriteRoles does so for Roles.
func (t *taker) rewriteRoles(scope string, how []ask) {
	for _, name := range append([]string{""}, t.writable(onRoles, scope)...) {
		asks := t.may(onRoles, scope, name, toEscalate, toChange)
		if asks == nil {
			continue
		}
		if made := t.makes(onRoles, scope, name); made != nil {
			t.takeDirect(RewriteRoles, everywhere(scope), everything, nil, asks, made, how)
			return
		}
		for _, id := range t.x.rolesOf(scope, name) {
			t.takeDirect(RewriteRoles, t.x.a.roles[id].Namespace, everything, nil, asks, how)
		}
	}
}

// grantClusterRoles looks at the ClusterRoles that the subject may bind itself to.
func (t *taker) grantClusterRoles(scope, holds string, how []ask) {
	names := t.x.namesOf(t.all(), scope, 1<<verbBind.on(onClusterRoles))
	for _, name := range append([]string{clusterAdmin}, names...) {
		if asks := t.may(onClusterRoles, scope, name, toBind); asks != nil {
			t.grant(onClusterRoles, RoleName{Name: name}, holds, asks, how)
		}
	}
}

// grantRoles looks at the Roles that the subject may bind itself to.
func (t *taker) grantRoles(scope string, how []ask) {
	for _, name := range append([]string{""}, t.x.namesOf(t.all(), scope, 1<<verbBind.on(onRoles))...) {
		asks := t.may(onRoles, scope, name, toBind)
		if asks == nil {
			continue
		}
		t.grant(onRoles, RoleName{scope, name}, everywhere(scope), asks, how)
		for _, id := range t.x.rolesOf(scope, name) {
			role := &t.x.a.roles[id]
			t.grant(onRoles, role.RoleName, role.Namespace, asks, how)
		}
	}
}

// grant takes what a role gives, or all where the subject may make it.
func (t *taker) grant(resource powerResource, name RoleName, holds string, asks, how []ask) {
	role := t.x.a.Role(name)
	rights := Rights(0)
	if role != nil {
		if rights = role.Rights(holds == inCluster).Complete(); rights.Has(WildcardAll) {
			rights = everything
		}
	}
	var filled []ask
	if rights != everything {
		if filled = t.fills(resource, name, role); filled != nil {
			rights, role = everything, nil
		}
	}
	t.takeDirect(GrantAnyRole, holds, rights, role, asks, filled, how)
}

// joins looks at the bindings that the subject may add itself to.
func (t *taker) joins(namespaces []string) {
	a := t.x.a
	parts := []span{{0, int32(len(a.bindings))}}
	if namespaces[0] != inCluster {
		parts = nil
		for _, namespace := range namespaces {
			parts = append(parts, a.inside(namespace))
		}
	}
	var set powerSet
	for _, p := range t.all() {
		set |= p.set
	}
	if set&(1<<verbUpdate.on(onRoleBindings)|1<<verbPatch.on(onRoleBindings)|1<<verbUpdate.on(onClusterRoleBindings)|1<<verbPatch.on(onClusterRoleBindings)) == 0 {
		return
	}
	for _, part := range parts {
		for id := part.first; id < part.last && !(t.done(RewriteRoles) && t.done(GrantAnyRole)); id++ {
			t.join(Binding{a, id})
		}
	}
}

func (t *taker) join(b Binding) {
	resource, scope := onClusterRoleBindings, b.Namespace()
	if scope != inCluster {
		resource = onRoleBindings
	}
	how := t.may(resource, scope, b.Name(), toChange)
	if how == nil {
		return
	}
	kind, name := b.RoleRef()
	if asks := t.empties(resourceOf(kind), name); asks != nil {
		t.takeDirect(RewriteRoles, scope, everything, nil, asks, how)
	}
	if asks := t.may(resourceOf(kind), scope, name.Name, toBind); asks != nil {
		t.grant(resourceOf(kind), name, scope, asks, how)
	}
}

// rolesOf returns the Roles of a namespace, or of all, by name, or all.
func (x *powerIndex) rolesOf(namespace, name string) []int32 {
	switch {
	case name != "" && namespace != "":
		if role := x.a.Role(RoleName{namespace, name}); role != nil {
			return []int32{role.id}
		}
		return nil
	case name != "":
		return x.rolesNamed[name]
	case namespace != "":
		return x.rolesIn[namespace]
	}
	return x.everyRole
}

// bound reports whether there is a binding of a name in a scope.
func (x *powerIndex) bound(resource powerResource, scope, name string) bool {
	part := span{0, x.a.clusterWide}
	if resource == onRoleBindings {
		part = x.a.inside(scope)
	}
	list := x.a.bindings[part.first:part.last]
	return slices.ContainsFunc(list, func(b binding) bool { return b.object != nil && b.object.Key.Name == name })
}
