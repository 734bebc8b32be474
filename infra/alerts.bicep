// Two action groups: people, who are told when meshwright itself is not well, and meshwright, for the alerts that speak of services.
// The rules watch the functions by what they log; that nothing is logged any more is an alert too.
param location string
param tags object
param token string
param workspaceId string
param functionAppName string
param functionsUrl string
param alertEmails array
param functionsDeployed bool
param entraClientId string
param entraObjectId string

var ofTheFunctions = 'where AppRoleName =~ "${functionAppName}"'

// One line of JSON that the function "measure" logs; the names of its fields are those of the code.
var measured = 'AppTraces | ${ofTheFunctions} | where Message startswith "{\\"measured\\"" | extend measured = parse_json(Message).measured'

var rules = [
  {
    name: 'sweep-is-silent'
    title: 'meshwright does not sweep any more'
    description: 'The function "sweep" runs each minute and is the only guarantee of delivery; fewer than ten beats came in fifteen minutes.'
    severity: 0
    window: 'PT15M'
    query: 'AppRequests | ${ofTheFunctions} | where OperationName == "sweep" and Success'
    operator: 'LessThan'
    threshold: 10
  }
  {
    name: 'functions-fail'
    title: 'More than one in a hundred calls of the functions fails'
    description: 'Of at least twenty calls in fifteen minutes; docs/azure.md says where to look.'
    severity: 1
    window: 'PT15M'
    query: 'AppRequests | ${ofTheFunctions} | summarize calls = count(), failed = countif(Success == false) | where calls >= 20 and failed * 100 > calls'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'alerts-are-slow'
    title: 'Alerts and deployments take long to be acted on'
    description: 'One in twenty of the calls of "alerts" or "deploymentEvents" took more than five seconds.'
    severity: 2
    window: 'PT15M'
    query: 'AppRequests | ${ofTheFunctions} | where OperationName in ("alerts", "deploymentEvents") | summarize slow = percentile(DurationMs, 95) | where slow > 5000'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'certificate-ends-soon'
    title: 'A certificate ends within fourteen days, or should have been replaced'
    description: 'Of the roots, issuers and serving certificates that meshwright watches; "meshwright certificates" says which.'
    severity: 1
    window: 'PT30M'
    query: '${measured} | where todouble(measured.certificateEndsInSeconds) < 14 * 86400 or toint(measured.certificatesLate) > 0'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'streams-are-stuck'
    title: 'Something has been owed for half an hour, or its deadline is over for so long'
    description: 'It is tried again each minute and does not get done; "meshwright status" says what and why.'
    severity: 1
    window: 'PT30M'
    query: '${measured} | where todouble(measured.stuckForSeconds) > 1800'
    operator: 'GreaterThan'
    threshold: 0
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-people-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'mw-people'
    emailReceivers: [for (email, index) in alertEmails: {
      name: 'person-${index}'
      emailAddress: email
      useCommonAlertSchema: true
    }]
  }
}

// Name this group in the alert rules of services: its webhook shows a token of Entra ID.
resource meshwright 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(entraClientId)) {
  name: 'ag-meshwright-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'meshwright'
    webhookReceivers: [
      {
        name: 'meshwright'
        serviceUri: '${functionsUrl}/alerts'
        useCommonAlertSchema: true
        useAadAuth: true
        tenantId: tenant().tenantId
        objectId: entraObjectId
        identifierUri: 'api://${entraClientId}'
      }
    ]
  }
}

resource queryRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${rule.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    severity: rule.severity
    // Before there is code, nothing beats.
    enabled: functionsDeployed
    scopes: [workspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: rule.window
    autoMitigate: true
    // A workspace that has got nothing yet does not know the tables.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [people.id]
    }
  }
}]

output meshwrightActionGroupId string = empty(entraClientId) ? '' : (meshwright.id)
