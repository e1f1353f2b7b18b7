// Asks the browser for a passkey and sends its answer with the form. Without this file the other factors still work.
const form = document.querySelector('form[data-passkey]');
const problem = document.querySelector('[data-passkey-problem]');
const answer = form.querySelector('[data-passkey-answer]');
const options = JSON.parse(form.dataset.options);
const { startAuthentication, startRegistration } = SimpleWebAuthnBrowser;

async function ask() {
  problem.hidden = true;
  try {
    const given =
      form.dataset.passkey === 'create'
        ? await startRegistration({ optionsJSON: options })
        : await startAuthentication({ optionsJSON: options });
    answer.value = JSON.stringify(given);
    form.submit();
  } catch {
    problem.hidden = false;
  }
}

form.addEventListener('submit', event => {
  event.preventDefault();
  void ask();
});
if (form.dataset.passkey === 'get') void ask();
