import type { MessageKey } from './messages-en.ts';

/** Every text that people see on a page, in German. */
export const DE: Readonly<Record<MessageKey, string>> = {
  product: 'Countersign',
  skip: 'Zum Inhalt',
  footer: 'Jede Handlung eines Agenten führt zu einem Menschen.',
  'sign-out': 'Abmelden',
  cancel: 'Abbrechen',
  back: 'Zurück',

  'sign-in.title': 'Anmelden',
  'sign-in.lead': 'Zuerst das Passwort, dann ein zweiter Faktor.',
  'sign-in.for-client': 'Eine Anwendung bittet um Zugriff. Melden Sie sich an, um zu sehen, was sie will.',
  'sign-in.email': 'E-Mail-Adresse',
  'sign-in.password': 'Passwort',
  'sign-in.next': 'Weiter',
  'sign-in.help':
    'Vergessen, oder ein neues Gerät ohne Codes? Bitten Sie jemanden aus der Administration, Ihre Anmeldung zurückzusetzen.',

  'factor.title': 'Bestätigen Sie, dass Sie es sind',
  'factor.lead': 'Anmeldung als {name}.',
  'factor.code': 'Code aus Ihrer Authenticator-App',
  'factor.code-hint': 'Sechs Ziffern. Jeder Code gilt einmal; alle 30 Sekunden kommt ein neuer.',
  'factor.submit': 'Anmelden',
  'factor.passkey': 'Stattdessen einen Passkey verwenden',
  'factor.or': 'oder',
  'factor.recovery': 'Kein Telefon zur Hand? Wiederherstellungscode verwenden',
  'factor.recovery-code': 'Wiederherstellungscode',
  'factor.recovery-hint':
    'Einer der zehn Codes, die Sie aufbewahrt haben. Er gilt einmal. Es sind noch {count} übrig.',
  'factor.recovery-submit': 'Mit diesem Code anmelden',
  'factor.start-over': 'Als jemand anderes anmelden',

  'passkey.title': 'Passkey verwenden',
  'passkey.lead': 'Ihr Browser fragt jetzt danach. Bestätigen Sie mit Fingerabdruck, Gesicht oder PIN.',
  'passkey.start': 'Noch einmal fragen',
  'passkey.no-script': 'Passkeys brauchen JavaScript. Gehen Sie zurück und verwenden Sie einen Code.',
  'passkey.failed':
    'Der Passkey wurde nicht verwendet. Versuchen Sie es noch einmal, oder gehen Sie zurück und verwenden Sie einen Code.',

  'step-up.title': 'Noch einmal bestätigen',
  'step-up.lead': 'Was Sie vorhaben, braucht einen zweiten Faktor aus den letzten fünf Minuten.',
  'step-up.submit': 'Bestätigen',
  'step-up.passkey': 'Stattdessen mit einem Passkey bestätigen',

  'enrol.title': 'Einrichten, wie Sie sich anmelden',
  'enrol.open-lead':
    'Mit diesem Link legt eine Person Passwort und zweiten Faktor fest. Er gilt einmal, und bis {until}.',
  'enrol.open-safety':
    'Wer diesen Link hat, kann hier zu Ihnen werden. Öffnen Sie ihn auf einem eigenen Gerät.',
  'enrol.open': 'Beginnen',
  'enrol.step': 'Schritt {step} von {steps}',
  'enrol.details-title': 'Wer Sie sind',
  'enrol.details-lead':
    'Sie werden die erste Person, die diesen Server verwaltet. Der Client, mit dem er eingerichtet wurde, endet, wenn Sie fertig sind.',
  'enrol.name': 'Name',
  'enrol.email': 'E-Mail-Adresse',
  'enrol.email-hint': 'Damit melden Sie sich an.',
  'enrol.password-title': 'Passwort wählen',
  'enrol.password-lead': 'Für {email}.',
  'enrol.password': 'Neues Passwort',
  'enrol.password-hint':
    'Acht Zeichen oder mehr. Ein paar Wörter hintereinander merken sich leicht; mehr wird nicht verlangt.',
  'enrol.totp-title': 'Zweiten Faktor hinzufügen',
  'enrol.totp-lead':
    'Scannen Sie dies mit einer Authenticator-App und geben Sie den Code ein, den sie zeigt.',
  'enrol.totp-qr': 'QR-Code mit dem Geheimnis Ihrer Authenticator-App',
  'enrol.totp-secret': 'Scannen geht nicht? Geben Sie dieses Geheimnis in die App ein:',
  'enrol.totp-once': 'Es wird nur dieses eine Mal gezeigt.',
  'enrol.totp-again-lead':
    'Das Geheimnis wurde einmal gezeigt. Hat Ihre App es, geben Sie den Code ein, den sie zeigt; sonst erzeugen Sie ein neues.',
  'enrol.totp-again': 'Neues Geheimnis erzeugen',
  'enrol.finish': 'Fertig',
  'enrol.done-title': 'Es ist eingerichtet',
  'enrol.done-lead':
    'Bewahren Sie diese zehn Wiederherstellungscodes dort auf, wo Sie sie ohne Telefon finden. Jeder gilt einmal, anstelle eines Codes. Sie werden nur dieses eine Mal gezeigt.',
  'enrol.codes-label': 'Wiederherstellungscodes',
  'enrol.done-next': 'Ich habe sie aufbewahrt',

  'me.title': 'Meine Seite',
  'me.signed-in': 'Angemeldet als {name}.',
  'me.agents': 'Agenten, für die Sie einstehen',
  'me.no-agents':
    'Keine. Wenn Sie eine Anwendung für sich handeln lassen oder Ihnen ein Agent zugeordnet wird, steht er hier.',
  'me.agent-may': 'Darf, ohne zu fragen',
  'me.agent-needs': 'Darf, wenn jemand gegenzeichnet',
  'me.agent-nothing': 'Nichts',
  'me.agent-last-used': 'Zuletzt verwendet {when}',
  'me.agent-never-used': 'Nie verwendet',
  'me.agent-until': 'Endet von selbst {when}',
  'me.agent-did': 'Was zuletzt mit ihm geschah',
  'me.agent-nothing-happened': 'Noch nichts.',
  'me.agent-stop': '{name} anhalten',
  'me.agent-stop-hint':
    'Alles, was er hat, endet sofort. Die Administration kann ihn wieder arbeiten lassen.',
  'me.agent-stopped': '{name} ist angehalten. Alles, was er hatte, ist zu Ende.',
  'me.status.active': 'Aktiv',
  'me.status.suspended': 'Angehalten',
  'me.status.retired': 'Außer Dienst',
  'me.status.expired': 'Beendet',
  'me.sessions': 'Wo Sie angemeldet sind',
  'me.session-this': 'Diese Sitzung',
  'me.session-from': 'Von {address}',
  'me.session-since': 'Seit {when}, zuletzt verwendet {used}',
  'me.session-end': 'Beenden',
  'me.session-end-label': 'Die Sitzung von {address} seit {when} beenden',
  'me.sessions-end': 'Alle anderen beenden',
  'me.session-ended': 'Die Sitzung ist beendet.',
  'me.sessions-ended': 'Alle anderen Sitzungen sind beendet.',
  'me.factors': 'Wie Sie sich anmelden',
  'me.password': 'Passwort',
  'me.password-since': 'Gesetzt {when}',
  'me.password-change': 'Passwort ändern',
  'me.password-current': 'Jetziges Passwort',
  'me.password-new': 'Neues Passwort',
  'me.password-changed': 'Ihr Passwort ist geändert. Ihre anderen Sitzungen sind beendet.',
  'me.totp': 'Authenticator-App',
  'me.totp-change': 'Andere App einrichten',
  'me.totp-changed': 'Ihre Authenticator-App ist geändert. Ihre anderen Sitzungen sind beendet.',
  'me.passkeys': 'Passkeys',
  'me.no-passkeys': 'Keine. Ein Passkey lässt sich nicht abfischen und geht schneller als ein Code.',
  'me.passkey-add': 'Passkey hinzufügen',
  'me.passkey-name': 'Name dieses Passkeys',
  'me.passkey-name-hint': 'Zum Beispiel das Gerät, auf dem er ist.',
  'me.passkey-added': 'Der Passkey ist hinzugefügt.',
  'me.passkey-remove': 'Entfernen',
  'me.passkey-remove-label': 'Den Passkey {name} entfernen',
  'me.passkey-removed': 'Der Passkey ist entfernt. Ihre anderen Sitzungen sind beendet.',
  'me.passkey-since': 'Hinzugefügt {when}',
  'me.recovery': 'Wiederherstellungscodes',
  'me.recovery-left': 'noch {count}',
  'me.recovery-renew': 'Neue erzeugen',
  'me.recovery-renewed': 'Zehn neue Wiederherstellungscodes. Die alten gelten nicht mehr.',

  'consent.title': 'Soll {name} für Sie handeln?',
  'consent.as': 'Sie sind {person}.',
  'consent.who': 'Wer fragt',
  'consent.registered': 'Jemand aus der Administration dieses Servers hat diese Anwendung registriert.',
  'consent.published': 'Sie ist, was {host} über sie sagt: hier hat sie niemand geprüft.',
  'consent.self-registered':
    'Hier kennt sie niemand. Ihr Name ist der, den sie sich selbst gibt: Fahren Sie nur fort, wenn Sie sie eben gestartet haben.',
  'consent.purpose': 'Wozu sie da ist: {purpose}',
  'consent.where': 'Ihre Antwort geht an',
  'consent.local':
    'Das ist ein Programm auf Ihrem eigenen Gerät. Machen Sie nur weiter, wenn Sie es gerade gestartet haben.',
  'consent.what': 'Was sie für Sie tun darf',
  'consent.at': 'Bei {name}',
  'consent.withheld': 'Was sie nicht bekommt',
  'consent.withheld-lead': 'Darum bittet sie auch, und jemand müsste gegenzeichnen.',
  'consent.risk.low': 'geringes Risiko',
  'consent.risk.medium': 'mittleres Risiko',
  'consent.risk.high': 'hohes Risiko',
  'consent.how-long':
    'Bis Sie es auf Ihrer Seite beenden oder sie 30 Tage nicht verwendet wurde. Jeder Zugriff, den sie bekommt, gilt höchstens {minutes} Minuten.',
  'consent.allow': 'Für mich handeln lassen',
  'consent.deny': 'Nicht erlauben',
  'consent.back': 'Zurück zur Anwendung',
  'consent.no-resource':
    'Sie sagt nicht, für welchen Server, oder nennt einen, den sie nicht verwenden kann: {resource}',
  'consent.beyond': 'Sie bittet um etwas, das sie nie haben kann: {scopes}',
  'consent.nothing': 'Nichts von dem, worum sie bittet, kann sie hier bekommen: jemand müsste gegenzeichnen.',

  'signed-out.title': 'Sie sind abgemeldet',
  'signed-out.lead': 'Die Sitzung ist auch auf dem Server beendet.',
  'signed-out.again': 'Wieder anmelden',

  'error.title': 'Das ging nicht',
  'error.reference': 'Referenz',
  'error.more': 'Was es bedeutet und wie man es behebt',
  'error.home': 'Zu meiner Seite',
  'error.summary': 'Es gibt ein Problem',

  'refused.sign-in-refused':
    'Adresse und Passwort gehören nicht zusammen, oder diese Person kann sich nicht anmelden.',
  'refused.sign-in-limited': 'Zu viele Versuche. Warten Sie eine Viertelstunde.',
  'refused.sign-in-busy':
    'Sehr viele melden sich gerade an. Versuchen Sie es in einigen Sekunden noch einmal.',
  'refused.sign-in-expired': 'Das hat zu lange gedauert. Melden Sie sich noch einmal an.',
  'refused.factor-refused':
    'Das wurde nicht angenommen. Ein Code gilt einmal: warten Sie auf den nächsten. Nach mehreren falschen wird eine Weile keiner angenommen.',
  'refused.session-required': 'Sie sind nicht mehr angemeldet.',
  'refused.step-up-required': 'Bestätigen Sie zuerst mit einem zweiten Faktor.',
  'refused.enrolment-link-invalid':
    'Dieser Link gilt nicht. Er wurde verwendet, durch einen neueren ersetzt oder ist zu alt. Bitten Sie die Person, die ihn gab, um einen neuen.',
  'refused.enrolment-incomplete': 'Ein Schritt vor diesem fehlt.',
  'refused.enrolment-code-wrong':
    'Der Code ist nicht der, den die App zeigt. Warten Sie auf den nächsten und versuchen Sie es noch einmal.',
  'refused.enrolment-address-taken': 'Jemand anderes hat diese E-Mail-Adresse.',
  'refused.password-too-short': 'Das Passwort ist zu kurz: acht Zeichen oder mehr.',
  'refused.password-too-long': 'Das Passwort ist zu lang: höchstens 256 Zeichen.',
  'refused.password-common': 'Dieses Passwort probieren Angreifer zuerst. Wählen Sie ein anderes.',
  'refused.password-about-you':
    'Dieses Passwort ist kaum mehr als Ihr Name, Ihre Adresse oder unser Name. Wählen Sie ein anderes.',
  'refused.passkey-not-registered':
    'Der Passkey wurde nicht hinzugefügt: die Antwort des Geräts stimmt nicht oder kam zu spät.',
  'refused.too-many-passkeys': 'Es gibt schon zehn Passkeys. Entfernen Sie zuerst einen.',
  'refused.application-stopped':
    'Diese Anwendung wurde für Sie angehalten. Die Administration kann sie wieder arbeiten lassen.',
  'refused.application-unknown':
    'Diese Anwendung ist hier nicht registriert oder darf gerade nicht verwendet werden.',
  'refused.field-invalid': 'Hier fehlt etwas, oder es ist nicht das, was gefragt ist.',
  'refused.form-foreign': 'Das kam nicht von einer Seite dieses Servers; es wurde nichts geändert.',
  'refused.form-stale': 'Diese Seite gilt nicht mehr; es wurde nichts geändert. Öffnen Sie sie noch einmal.',
  'refused.not-found': 'Hier ist nichts.',
  'refused.clock-ahead':
    'Die Uhr dieses Servers geht falsch. Bis sie stimmt, kann sich niemand anmelden und nichts genehmigt werden. Es wurde nichts geändert.',
  'refused.unavailable':
    'Der Server kann gerade nicht sicher antworten. Es wurde nichts geändert. Versuchen Sie es in einer Sekunde noch einmal.',
  'refused.internal': 'Bei uns ist etwas schiefgegangen. Es wurde nichts geändert.',
};
